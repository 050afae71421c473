/** Opening the rendered volume of a stack, and saying why there is none. */
import { regularityOf } from '../data/volume';
import { type Notice, useSpace } from '../state/space';
import { useViewer } from '../state/store';
import type { Action } from '../tools/actions';
import { noticeOf } from '../tools/notices';
import { loadPlanes, tell } from '../tools/spatial';
import { closeRendering, openRendering, useRendering } from './state';

/** The stack of the active viewport as a volume, or back to the viewports. */
export async function toggleRendering(): Promise<void> {
  const { sourceId, pane } = useRendering.getState();
  // One that stood in a viewport is out of sight when something else is put there.
  const isSeen = pane === null || useViewer.getState().panes[pane].displaySetId === sourceId;
  if (sourceId !== null && isSeen) {
    closeRendering();
    return;
  }
  const { sourceOf } = await loadPlanes();
  const source = sourceOf(useViewer.getState().active);
  if (!source) return;
  const found = regularityOf(source.frames);
  if (found.kind === 'irregular') tell(noticeOf(found.why));
  else openRendering(source.id);
}

/** Why a volume that is one cannot be rendered here. */
export function renderingNotice(error: unknown): Notice {
  if (error instanceof Error && error.name === 'NoWebGl2') return { text: 'rendering.noWebGl2' };
  if (error instanceof Error && 'side' in error && 'sideMax' in error)
    return {
      text: 'rendering.tooWide',
      values: { side: Number(error.side), sideMax: Number(error.sideMax) },
    };
  return noticeOf(error);
}

export function refuse(error: unknown): void {
  closeRendering();
  useSpace.setState({ notice: renderingNotice(error) });
}

export const RENDERING_ACTIONS: Action[] = [
  { name: 'rendering', group: 'screen', keys: ['Alt+v'], run: () => void toggleRendering() },
];
