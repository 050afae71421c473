/** The study that is likely opened next: the list of its series, the metadata of one, its first frame. */
import { type DicomJson } from './dicomJson';
import { DICOMWEB_ROOT, findSeries, type SeriesSummary, seriesMetadata } from './dicomweb';
import { splitSeries } from './displaySets';
import { fetchEarly } from './frameBytes';
import type { Frame } from './frames';
import { openingOrder } from './openingOrder';
import { mark, type Phase } from './timing';
import { valuesEarly } from './values';

interface Warm {
  studyInstanceUid: string;
  series: Promise<SeriesSummary[]>;
  metadata: Map<string, Promise<DicomJson[]>>;
  abort: AbortController;
}

/** One, since a reader goes one way; a second would cost the memory of whole series. */
let warm: Warm | null = null;

/** What is kept of a study that was warmed, once. */
export function takeSeries(studyInstanceUid: string, signal: AbortSignal): Promise<SeriesSummary[]> {
  const kept = warm?.studyInstanceUid === studyInstanceUid ? warm.series : null;
  return kept ? kept.catch(() => findSeries(studyInstanceUid, signal)) : findSeries(studyInstanceUid, signal);
}

export function takeMetadata(
  { studyInstanceUid, seriesInstanceUid }: SeriesSummary,
  signal: AbortSignal,
): Promise<DicomJson[]> {
  const kept = warm?.studyInstanceUid === studyInstanceUid ? warm.metadata.get(seriesInstanceUid) : undefined;
  const ask = (): Promise<DicomJson[]> => seriesMetadata(studyInstanceUid, seriesInstanceUid, signal);
  if (!kept) return ask();
  warm?.metadata.delete(seriesInstanceUid);
  return kept.catch(ask);
}

/**
 * Asks for a study before it is opened. `wanted` is the series that the reader named, whose metadata then does not wait
 * for the list. Gives the frames that will be shown first, or null.
 */
export async function warmStudy(
  studyInstanceUid: string,
  { wanted, isOpening = false }: { wanted?: string | undefined; isOpening?: boolean } = {},
): Promise<Frame[] | null> {
  if (warm?.studyInstanceUid === studyInstanceUid) return null;
  warm?.abort.abort();
  const abort = new AbortController();
  const { signal } = abort;
  const reached = (phase: Phase): void => {
    if (isOpening) mark(phase);
  };
  const entry: Warm = {
    studyInstanceUid,
    series: findSeries(studyInstanceUid, signal),
    metadata: new Map(),
    abort,
  };
  warm = entry;
  const metadataOf = (seriesInstanceUid: string): Promise<DicomJson[]> => {
    const asked = seriesMetadata(studyInstanceUid, seriesInstanceUid, signal);
    entry.metadata.set(seriesInstanceUid, asked);
    return asked;
  };
  const listed = entry.series.then((series) => {
    reached('seriesListed');
    return openingOrder(series, undefined)[0]?.seriesInstanceUid;
  });
  listed.catch(() => undefined);
  try {
    const first = wanted ?? (await listed);
    if (first === undefined) return null;
    const metadata = await metadataOf(first);
    reached('metadataRead');
    const stack = splitSeries(metadata, DICOMWEB_ROOT).find((set) => set.kind === 'stack');
    const frames = stack?.kind === 'stack' ? stack.frames : [];
    const [frame] = frames;
    if (!frame) return null;
    void fetchEarly(frame.imageId.slice('wadors:'.length));
    await valuesEarly(frame);
    return frames;
  } catch {
    // What is not warm is asked for when it is opened, and then the reader is told why it cannot be.
    if (warm === entry) warm = null;
    return null;
  }
}

/** Which study is warm; for the tests and the panel of figures. */
export const warmStudyUid = (): string | null => warm?.studyInstanceUid ?? null;
