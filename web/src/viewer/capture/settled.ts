/** When all that a viewport shows of an image is on the screen: the picture, what lies over it, the marks. */
import { Failure } from '../data/errors';
import type { Frame } from '../data/frames';
import { isMakingBitmaps } from '../overlays/bitmaps';
import { type PaneId, setIndex, stackOf, useViewer } from '../state/store';
import { loadEngine } from '../tools/withEngine';
import { CannotSave } from './refusal';

const TIMEOUT_MS = 90_000;
/** A page that nobody looks at paints nothing; that is no time waited. */
const LONGEST_STEP_MS = 1_000;
/** Marks are drawn in the frame after the picture. */
const CALM_FRAMES = 2;

/** The end of the next frame that the browser paints. */
const painted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    requestAnimationFrame(() =>
      setTimeout(() => {
        if (signal.aborted) reject(new DOMException('It was stopped.', 'AbortError'));
        else resolve();
      }, 0),
    );
  });

/** Brings an image of a viewport's stack to the screen and waits until all of it is drawn. */
export async function settled(id: PaneId, index: number, signal: AbortSignal): Promise<Frame> {
  const { session } = await loadEngine();
  let waitedMs = 0;
  let last = performance.now();
  for (let calm = 0; ;) {
    const state = useViewer.getState();
    const pane = state.panes[id];
    const frame = stackOf(state, id)?.frames[index];
    if (!frame) throw new CannotSave({ text: 'capture.noImage' });
    if (pane.index !== index) setIndex(id, index);
    else if (pane.status.kind === 'failed') throw pane.status.failure;
    const view = session.views.get(id);
    const isThere = pane.shown === index && pane.status.kind === 'ready' && view?.shownFrame === frame;
    calm = isThere && view.isDrawn && !isMakingBitmaps() ? calm + 1 : 0;
    if (calm >= CALM_FRAMES) return frame;
    if (waitedMs > TIMEOUT_MS) throw new Failure('timeout');
    await painted(signal);
    const now = performance.now();
    waitedMs += Math.min(now - last, LONGEST_STEP_MS);
    last = now;
  }
}
