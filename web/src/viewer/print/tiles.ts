/** Which images are printed. */
import type { Frame } from '../data/frames';
import { shapeOf } from '../state/layout';
import { useObjects } from '../state/objects';
import { type PaneId, stackOf, useViewer, visiblePanes } from '../state/store';
import { findFrame, savedKeyObjects } from '../tools/objects';
import { everyNth } from './pages';

/** An image, and the viewport that it is drawn in. */
export interface Tile {
  pane: PaneId;
  displaySetId: string;
  index: number;
}

/** What the viewports show, in their places; null where there is no image. */
export function tilesOfViewports(): { tiles: (Tile | null)[]; rows: number; columns: number } {
  const state = useViewer.getState();
  const tiles = visiblePanes(state).map((pane) => {
    const stack = stackOf(state, pane);
    return stack && { pane, displaySetId: stack.id, index: state.panes[pane].index };
  });
  return { tiles, ...shapeOf(state.maximised ? '1x1' : state.layout) };
}

/** Every so many images of what the active viewport shows. */
export function tilesOfStack(range: { from: number; to: number }, step: number): Tile[] {
  const state = useViewer.getState();
  const stack = stackOf(state, state.active);
  if (!stack) return [];
  return everyNth(range, step).map((index) => ({ pane: state.active, displaySetId: stack.id, index }));
}

/** The key images of the study, those that are saved and those that are marked now, each once. */
export async function tilesOfKeyImages(): Promise<Tile[]> {
  const { active } = useViewer.getState();
  const wanted = [
    ...savedKeyObjects().flatMap(({ images }) => images),
    ...useObjects.getState().marked.map(({ sopInstanceUid, frameNumber }) => ({
      sopInstanceUid,
      frameNumbers: [frameNumber],
    })),
  ].flatMap(({ sopInstanceUid, frameNumbers }) =>
    (frameNumbers.length > 0 ? frameNumbers : [1]).map((frameNumber) => ({ sopInstanceUid, frameNumber })),
  );
  const tiles = new Map<string, Tile>();
  for (const { sopInstanceUid, frameNumber } of wanted) {
    const isIt = (frame: Frame): boolean =>
      frame.instance.sopInstanceUid === sopInstanceUid && frame.frameNumber === frameNumber;
    const found = await findFrame(isIt);
    if (found)
      tiles.set(`${found.id} ${found.index}`, { pane: active, displaySetId: found.id, index: found.index });
  }
  return [...tiles.values()];
}

export const frameOf = ({ displaySetId, index }: Tile): Frame | null => {
  const set = useViewer.getState().displaySets[displaySetId];
  return set?.kind === 'stack' ? (set.frames[index] ?? null) : null;
};
