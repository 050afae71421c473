/** What concerns several viewports at once, and is no part of the study: what is carried from the strip to one of them. */
import { create } from 'zustand';
import type { PaneId } from './layout';

export interface SpaceState {
  /** What the keyboard carries, and the viewport it would be put down in. */
  carried: { item: string; target: PaneId } | null;
}

export const useSpace = create<SpaceState>(() => ({ carried: null }));
