/** Which stack is rendered as a volume over the viewports; the scene itself is loaded apart. */
import { create } from 'zustand';
import type { VolumeScene } from './VolumeScene';

export interface RenderingState {
  sourceId: string | null;
  /** Once the volume is on the screen. */
  scene: VolumeScene | null;
}

export const useRendering = create<RenderingState>(() => ({ sourceId: null, scene: null }));

export const closeRendering = (): void => useRendering.setState({ sourceId: null });
