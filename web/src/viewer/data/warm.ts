/** The study that is likely opened next: the list of its series, the metadata of one, its first frame. */
import { type DicomJson } from './dicomJson';
import { DICOMWEB_ROOT, findSeries, type SeriesSummary, seriesMetadata } from './dicomweb';
import { splitSeries } from './displaySets';
import { fetchEarly } from './frameBytes';
import { openingOrder } from './openingOrder';

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

export async function warmStudy(studyInstanceUid: string): Promise<void> {
  if (warm?.studyInstanceUid === studyInstanceUid) return;
  warm?.abort.abort();
  const abort = new AbortController();
  const { signal } = abort;
  const series = findSeries(studyInstanceUid, signal);
  const entry: Warm = { studyInstanceUid, series, metadata: new Map(), abort };
  warm = entry;
  try {
    const [first] = openingOrder(await series, undefined);
    if (!first) return;
    const metadata = seriesMetadata(studyInstanceUid, first.seriesInstanceUid, signal);
    entry.metadata.set(first.seriesInstanceUid, metadata);
    const stack = splitSeries(await metadata, DICOMWEB_ROOT).find((set) => set.kind === 'stack');
    const frame = stack?.kind === 'stack' ? stack.frames[0] : undefined;
    if (frame) fetchEarly(frame.imageId.slice('wadors:'.length));
  } catch {
    // What is not warm is asked for when it is opened, and then the reader is told why it cannot be.
    if (warm === entry) warm = null;
  }
}

/** Which study is warm; for the tests and the panel of figures. */
export const warmStudyUid = (): string | null => warm?.studyInstanceUid ?? null;
