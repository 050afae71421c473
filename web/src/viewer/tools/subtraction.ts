/** Shows a run of frames without what its mask shows, and moves that mask. */
import { type ChosenMask, hasMask, isRun } from '../data/subtraction';
import { findState } from '../overlays/registry';
import { useObjects } from '../state/objects';
import { useSpace } from '../state/space';
import { changePane, type PaneId, stackOf, useViewer } from '../state/store';

/** Of a pixel, at each press of a key. */
const STEP = 0.5;
/** Farther than this nothing is aligned any more. */
const MOVED_MAX = 64;

/** The mask of the state that is applied, else that of the image, else the first frame. */
function maskFor(pane: PaneId): ChosenMask | null {
  const viewer = useViewer.getState();
  const stack = stackOf(viewer, pane);
  const [first] = stack?.frames ?? [];
  if (!stack || !first || stack.derived || !isRun(stack.frames)) return null;
  const state = findState(useObjects.getState().applied[pane]);
  if (state && hasMask(state.dataset))
    return { source: { kind: 'state', sopInstanceUid: state.sopInstanceUid }, moved: [0, 0] };
  if (hasMask(first.instance.dataset)) return { source: { kind: 'image' }, moved: [0, 0] };
  return { source: { kind: 'frame', frameNumber: first.frameNumber }, moved: [0, 0] };
}

function change(to: (mask: ChosenMask | null, pane: PaneId) => ChosenMask | null): void {
  const { active, panes } = useViewer.getState();
  const mask = maskFor(active);
  if (mask) changePane(active, { subtraction: to(panes[active].subtraction, active) });
  else useSpace.setState({ notice: { text: 'subtraction.none' } });
}

/** With the mask, or as the frames are stored. A window that was set is one of the other values, and is left. */
export function toggleSubtraction(): void {
  change((mask, pane) => (mask ? null : maskFor(pane)));
  const { active } = useViewer.getState();
  changePane(active, ({ voi }) => (voi.kind === 'set' ? { voi: { kind: 'own', which: 0 } } : {}));
}

/** The frame on the screen as the mask of all others. */
export function maskHere(): void {
  change((mask, pane) => {
    const viewer = useViewer.getState();
    const frame = stackOf(viewer, pane)?.frames[viewer.panes[pane].index];
    if (!frame) return mask;
    return {
      source: { kind: 'frame', frameNumber: frame.frameNumber },
      moved: mask?.moved ?? [0, 0],
    };
  });
}

const bounded = (value: number): number => Math.min(MOVED_MAX, Math.max(-MOVED_MAX, value));

/** Moves the mask, by half a pixel down and to the right. */
export function moveMask(down: number, right: number): void {
  const { active, panes } = useViewer.getState();
  const mask = panes[active].subtraction;
  if (!mask) return;
  const moved = [bounded(mask.moved[0] + down * STEP), bounded(mask.moved[1] + right * STEP)] as const;
  changePane(active, { subtraction: { ...mask, moved } });
}
