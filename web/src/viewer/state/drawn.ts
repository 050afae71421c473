/** Viewports whose picture the renderer has drawn; before, a plain one stands in. */
import { create } from 'zustand';
import type { PaneId } from './layout';

export const useDrawn = create<Partial<Record<PaneId, boolean>>>(() => ({}));

export function setDrawn(id: PaneId, isDrawn: boolean): void {
  if ((useDrawn.getState()[id] ?? false) !== isDrawn) useDrawn.setState({ [id]: isDrawn });
}
