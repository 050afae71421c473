/** Which stack is rendered as a volume, and where; the scene itself is loaded apart. */
import { create } from 'zustand';
import type { PaneId } from '../state/layout';
import type { RenderingName } from './presets';
import type { VolumeScene } from './VolumeScene';

export interface RenderingState {
  sourceId: string | null;
  /** The viewport that it stands in; null is over all of them. */
  pane: PaneId | null;
  /** What it begins with; null is the preset of its modality. */
  preset: RenderingName | null;
  /** Once the volume is on the screen. */
  scene: VolumeScene | null;
}

export const useRendering = create<RenderingState>(() => ({
  sourceId: null,
  pane: null,
  preset: null,
  scene: null,
}));

export const openRendering = (
  sourceId: string,
  pane: PaneId | null = null,
  preset: RenderingName | null = null,
): void => useRendering.setState({ sourceId, pane, preset });

export const closeRendering = (): void => useRendering.setState({ sourceId: null, pane: null, preset: null });
