/**
 * What counts as displayed: a frame of the open study, as the archive holds it and in all its pixels, that a viewport has
 * painted while the page could be seen, and not for a film or a print. Planes, slabs, colours over images and rendered
 * volumes display none.
 */
import { countedByServer, noteDisplayed, useDisplayed, wasDisplayed } from '@/api/displayed';
import { isApart } from '../capture/apart';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { PLANES_PREFIX } from '../data/planes';
import { ensureSeries } from '../data/opening';
import { mayHoldImages } from '../data/sopClasses';
import { closeRendering, useRendering } from '../rendering/state';
import { type Notice, useSpace } from '../state/space';
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

/** A rendered volume stands over all viewports, or over this one. */
function isCovered(pane: PaneId): boolean {
  const { sourceId, pane: where } = useRendering.getState();
  return sourceId !== null && (where === null || where === pane);
}

/** A viewport has painted the frame. */
export function notePainted(pane: PaneId, { instance, frameNumber, imageId }: Frame): void {
  const isSeen = document.visibilityState === 'visible' && !isApart() && !isCovered(pane);
  if (!isSeen || imageId.startsWith(PLANES_PREFIX)) return;
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

/** The viewport in use, or another when that one shows planes or a volume. */
function paneForStacks(state: ViewerState): PaneId {
  const panes = [state.active, ...visiblePanes(state)];
  return panes.find((id) => !stackOf(state, id)?.derived && !isCovered(id)) ?? state.active;
}

/** Images that could not be shown; the reader is led past them. */
const passed = new Set<string>();

function find(pane: PaneId): Place | null {
  const state = useViewer.getState();
  const { displaySetId, index } = state.panes[pane];
  const at = displaySetId === null ? null : { id: displaySetId, index };
  return nextNotDisplayed(stacksOf(state), at, (frame) => isDisplayed(frame) || passed.has(frame.imageId));
}

function passWhatFailed(pane: PaneId): void {
  const state = useViewer.getState();
  const { status, index } = state.panes[pane];
  const frame = stackOf(state, pane)?.frames[index];
  if (frame && status.kind === 'failed') passed.add(frame.imageId);
}

function tellWhatIsLeft(): void {
  const { left, arrived } = progressNow() ?? { left: 0, arrived: 0 };
  passed.clear();
  const notice: Notice =
    left > arrived
      ? { text: 'displayed.cannot', values: { count: left - arrived } }
      : { text: arrived > 0 ? 'displayed.reopen' : 'displayed.none' };
  useSpace.setState({ notice });
}

/** Shows the next image that was not displayed yet, reading series that were not read for it. */
export async function showNextNotDisplayed(): Promise<void> {
  const { studyInstanceUid } = useViewer.getState();
  const isStale = (): boolean => useViewer.getState().studyInstanceUid !== studyInstanceUid;
  if (useRendering.getState().pane === null) closeRendering();
  const pane = paneForStacks(useViewer.getState());
  passWhatFailed(pane);
  let next = find(pane);
  for (const { summary, state } of useViewer.getState().series) {
    if (next) break;
    if (state.kind === 'ready' || state.kind === 'failed' || !mayHoldImages(summary.modality)) continue;
    await ensureSeries(summary.seriesInstanceUid);
    if (isStale()) return;
    next = find(pane);
  }
  if (!next) {
    tellWhatIsLeft();
    return;
  }
  if (useViewer.getState().panes[pane].displaySetId !== next.id) openDisplaySet(pane, next.id);
  setIndex(pane, next.index);
}
