/**
 * Opening a study: the list of its series, the metadata of the first with images, its first frame at once; everything
 * else afterwards. Nothing here waits for the renderer, whose code is still on its way.
 */
import { startDisplayed } from '@/api/displayed';
import { startAnnotations } from '../state/annotations';
import { forgetBitmaps } from '../overlays/bitmaps';
import { forgetObjects } from '../overlays/registry';
import { startSegments } from '../segments/draft';
import { startObjects } from '../state/objects';
import {
  addDisplaySets,
  openDisplaySet,
  setSeriesState,
  stackOf,
  startStudy,
  useViewer,
} from '../state/store';
import { DICOMWEB_ROOT, type SeriesSummary } from './dicomweb';
import { type DisplaySet, splitSeries } from './displaySets';
import { asFailure, Failure } from './errors';
import { keepEarlyFramesOf } from './frameBytes';
import { type Frame, readPatientAndStudy } from './frames';
import { openingOrder } from './openingOrder';
import { isReadable } from './rendered';
import { beginTiming, mark, openingTimes } from './timing';
import { keepEarlyValuesOf, valuesEarly } from './values';
import { takeMetadata, takeSeries } from './warm';

const METADATA_AT_ONCE = 2;

async function loadSeries(summary: SeriesSummary, signal: AbortSignal): Promise<DisplaySet[]> {
  const { seriesInstanceUid } = summary;
  setSeriesState(seriesInstanceUid, { kind: 'loading' });
  try {
    const datasets = await takeMetadata(summary, signal);
    if (signal.aborted) return [];
    const [first] = datasets;
    if (first && useViewer.getState().patient === null)
      useViewer.setState({ patient: readPatientAndStudy(first) });
    const sets = splitSeries(datasets, DICOMWEB_ROOT);
    addDisplaySets(seriesInstanceUid, sets);
    return sets;
  } catch (error) {
    if (!signal.aborted) setSeriesState(seriesInstanceUid, { kind: 'failed', failure: asFailure(error) });
    throw error;
  }
}

const alreadyLoaded = (seriesInstanceUid: string): boolean => {
  const entry = useViewer
    .getState()
    .series.find(({ summary }) => summary.seriesInstanceUid === seriesInstanceUid);
  return entry?.state.kind === 'ready' || entry?.state.kind === 'loading';
};

async function open(
  studyInstanceUid: string,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  beginTiming();
  const series = await takeSeries(studyInstanceUid, signal);
  signal.throwIfAborted();
  mark('seriesListed');
  if (series.length === 0) throw new Failure('notFound');
  useViewer.setState({
    study: { kind: 'ready' },
    series: series.map((summary) => ({ summary, state: { kind: 'waiting' } })),
  });
  const order = openingOrder(series, wanted);
  let firstFailure: unknown = null;
  let readable: DisplaySet | undefined;
  for (const summary of order) {
    try {
      const sets = await loadSeries(summary, signal);
      signal.throwIfAborted();
      mark('metadataRead');
      readable ??= sets.find((set) => set.kind === 'object' && isReadable(set));
      const first =
        sets.find((set) => set.kind === 'stack') ??
        (summary.seriesInstanceUid === wanted ? sets[0] : undefined);
      if (first) {
        const frame = first.kind === 'stack' ? first.frames[0] : undefined;
        if (frame) loadFirst(frame);
        openDisplaySet('pane1', first.id);
        break;
      }
    } catch (error) {
      signal.throwIfAborted();
      firstFailure ??= error;
    }
  }
  if (useViewer.getState().panes.pane1.displaySetId === null && readable)
    openDisplaySet('pane1', readable.id);
  if (useViewer.getState().panes.pane1.displaySetId === null && firstFailure !== null)
    throw asFailure(firstFailure);
  if (useViewer.getState().panes.pane1.displaySetId !== null) await firstImageShown(signal);
  const rest = order.filter(({ seriesInstanceUid }) => !alreadyLoaded(seriesInstanceUid));
  const work = async (): Promise<void> => {
    for (let next = rest.shift(); next && !signal.aborted; next = rest.shift()) {
      if (!alreadyLoaded(next.seriesInstanceUid)) await loadSeries(next, signal).catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: METADATA_AT_ONCE }, work));
}

/** The first frame is loaded and decoded before the renderer is here. What fails is told by the viewport. */
function loadFirst(frame: Frame): void {
  valuesEarly(frame).then(
    () => {
      // Already on its way, or here, when the study was warmed.
      mark('firstBytes');
      mark('firstDecoded');
    },
    () => openingTimes.setState({ hasFailed: true }),
  );
}

const FIRST_PICTURE_MS = 1500;

/**
 * Waits until the first picture is on the screen, or cannot be, but not for long. Whatever keeps the processor busy for
 * hundreds of ms comes afterwards.
 */
export function firstPictureSettled(): Promise<void> {
  const isSettled = (): boolean => {
    const state = useViewer.getState();
    const { phases, hasFailed } = openingTimes.getState();
    const isNoStack = state.panes.pane1.displaySetId !== null && stackOf(state, 'pane1') === null;
    return phases.firstImage !== undefined || hasFailed || state.study.kind === 'failed' || isNoStack;
  };
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      stopViewer();
      stopTimes();
      resolve();
    };
    // What was drawn is painted at the next frame of the screen.
    const look = (): void => {
      if (isSettled()) requestAnimationFrame(() => setTimeout(finish));
    };
    const timer = setTimeout(finish, FIRST_PICTURE_MS);
    const stopViewer = useViewer.subscribe(look);
    const stopTimes = openingTimes.subscribe(look);
    look();
  });
}

/** The rest of the study must not take the first image's bandwidth, but it must not wait for a broken one either. */
function firstImageShown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const isDone = (): boolean =>
      signal.aborted || !['loading', 'empty'].includes(useViewer.getState().panes.pane1.status.kind);
    if (isDone()) {
      resolve();
      return;
    }
    const finish = (): void => {
      stop();
      clearTimeout(timer);
      resolve();
    };
    const stop = useViewer.subscribe(() => {
      if (isDone()) finish();
    });
    const timer = setTimeout(finish, 5000);
  });
}

/** Starts opening; the function returned stops whatever is still under way. */
export function openStudy(
  studyInstanceUid: string,
  seriesInstanceUid: string | undefined,
  isNarrow: boolean,
): () => void {
  const abort = new AbortController();
  startStudy(studyInstanceUid, { isNarrow });
  startAnnotations(studyInstanceUid);
  startObjects(studyInstanceUid);
  startDisplayed(studyInstanceUid);
  startSegments();
  forgetObjects();
  forgetBitmaps();
  keepEarlyFramesOf(studyInstanceUid);
  keepEarlyValuesOf(studyInstanceUid);
  open(studyInstanceUid, seriesInstanceUid, abort.signal).catch((error: unknown) => {
    if (!abort.signal.aborted) useViewer.setState({ study: { kind: 'failed', failure: asFailure(error) } });
  });
  return () => abort.abort();
}

/** Loads a series that the reader asks for before its turn. */
export async function ensureSeries(seriesInstanceUid: string): Promise<DisplaySet[]> {
  const { series, displaySets } = useViewer.getState();
  const entry = series.find(({ summary }) => summary.seriesInstanceUid === seriesInstanceUid);
  if (!entry) return [];
  if (entry.state.kind === 'ready') return entry.state.displaySetIds.flatMap((id) => displaySets[id] ?? []);
  if (entry.state.kind === 'loading') {
    return new Promise((resolve) => {
      const stop = useViewer.subscribe((state) => {
        const now = state.series.find(
          ({ summary }) => summary.seriesInstanceUid === seriesInstanceUid,
        )?.state;
        if (now?.kind === 'loading') return;
        stop();
        resolve(now?.kind === 'ready' ? now.displaySetIds.flatMap((id) => state.displaySets[id] ?? []) : []);
      });
    });
  }
  return loadSeries(entry.summary, new AbortController().signal).catch(() => []);
}
