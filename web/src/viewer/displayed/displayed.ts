/**
 * What counts as displayed: a frame of the open study, as the archive holds it and in all its pixels, that a viewport has
 * painted while the page could be seen. Planes, slabs, colours over images and rendered volumes display none.
 */
import { countedByServer, noteDisplayed, useDisplayed, wasDisplayed } from '@/api/displayed';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { PLANES_PREFIX } from '../data/planes';
import { ensureSeries } from '../data/opening';
import { mayHoldImages } from '../data/sopClasses';
import { closeRendering, useRendering } from '../rendering/state';
import { useSpace } from '../state/space';
import {
  displaySetsInOrder,
  openDisplaySet,
  type PaneId,
  setIndex,
  stackOf,
  useViewer,
  type ViewerState,
  visiblePanes,
} from '../state/store';
import { nextNotDisplayed, type Place, type Progress, progressOf } from './progress';

export const isDisplayed = ({ instance, frameNumber }: Frame): boolean =>
  wasDisplayed(instance.sopInstanceUid, frameNumber);

/** A viewport has painted the frame. */
export function notePainted({ instance, frameNumber, imageId }: Frame): void {
  const isCovered = useRendering.getState().sourceId !== null;
  if (imageId.startsWith(PLANES_PREFIX) || isCovered || document.visibilityState !== 'visible') return;
  noteDisplayed(instance.studyInstanceUid, instance.sopInstanceUid, frameNumber);
}

/** Stacks of the study, without those of priors and those that were cut. */
const stacksOf = (state: ViewerState): StackDisplaySet[] =>
  displaySetsInOrder(state).filter(
    (set): set is StackDisplaySet =>
      set.kind === 'stack' && !set.derived && set.studyInstanceUid === state.studyInstanceUid,
  );

/** Null until the server has said how many images there are. */
export function progressNow(state: ViewerState = useViewer.getState()): Progress | null {
  const counts = countedByServer();
  if (!counts) return null;
  const stacks = stacksOf(state);
  const series = state.series
    .filter(({ summary }) => summary.studyInstanceUid === state.studyInstanceUid)
    .map(({ summary: { seriesInstanceUid }, state: { kind } }) => ({
      seriesInstanceUid,
      frames:
        kind === 'ready'
          ? stacks
              .filter((each) => each.seriesInstanceUid === seriesInstanceUid)
              .flatMap(({ frames }) => frames)
          : null,
    }));
  return progressOf(series, counts, isDisplayed);
}

export function useProgress(): Progress | null {
  useDisplayed((state) => state.revision);
  useViewer((state) => state.series);
  return progressNow();
}

/** How many frames of a stack were displayed. */
export function useDisplayedIn(stack: StackDisplaySet | null): number {
  useDisplayed((state) => state.revision);
  return stack ? stack.frames.filter(isDisplayed).length : 0;
}

/** The viewport in use, or another when that one shows planes. */
function paneForStacks(state: ViewerState): PaneId {
  const panes = [state.active, ...visiblePanes(state)];
  return panes.find((id) => !stackOf(state, id)?.derived) ?? state.active;
}

function find(pane: PaneId): Place | null {
  const state = useViewer.getState();
  const { displaySetId, index } = state.panes[pane];
  return nextNotDisplayed(
    stacksOf(state),
    displaySetId === null ? null : { id: displaySetId, index },
    isDisplayed,
  );
}

/** Shows the next image that was not displayed yet, reading series that were not read for it. */
export async function showNextNotDisplayed(): Promise<void> {
  const { studyInstanceUid } = useViewer.getState();
  const isStale = (): boolean => useViewer.getState().studyInstanceUid !== studyInstanceUid;
  const pane = paneForStacks(useViewer.getState());
  let next = find(pane);
  for (const { summary, state } of useViewer.getState().series) {
    if (next) break;
    if (state.kind === 'ready' || state.kind === 'failed' || !mayHoldImages(summary.modality)) continue;
    await ensureSeries(summary.seriesInstanceUid);
    if (isStale()) return;
    next = find(pane);
  }
  closeRendering();
  if (!next) {
    useSpace.setState({ notice: { text: progressNow()?.arrived ? 'displayed.reopen' : 'displayed.none' } });
    return;
  }
  if (useViewer.getState().panes[pane].displaySetId !== next.id) openDisplaySet(pane, next.id);
  setIndex(pane, next.index);
}
