/** What concerns several viewports at once, and is no part of the study. */
import { create } from 'zustand';
import type { TextKey } from '../i18n';
import type { Bases, PlaneName } from '../data/planes';
import type { Slab } from '../data/reslice';
import type { SuvKind } from '../data/suv';
import type { Vector3 } from '../data/vectors';
import type { Grid } from '../data/volume';
import type { ColourMap } from '../lut/colourMaps';
import type { PaneId } from './layout';

/** How a viewport stood when it was linked by hand. */
export interface Anchor {
  displaySetId: string;
  index: number;
  at: { kind: 'mm'; mm: number } | { kind: 'index'; index: number };
}

/** Why something cannot be done, in words of the viewer's texts. */
export interface Notice {
  text: TextKey;
  values?: Record<string, string | number>;
}

/** Viewports with planes of one volume, which share a point and a slab. */
export interface PlanesState {
  sourceId: string;
  grid: Grid;
  bases: Bases;
  center: Vector3;
  slab: Slab;
  panes: Partial<Record<PlaneName, PaneId>>;
}

/** A display set whose values are laid in colours over all others of its frame of reference. */
export interface Fusion {
  overlayId: string;
  map: ColourMap;
  opacity: number;
  /** In units of the overlay's values. */
  lower: number;
  upper: number;
}

export interface SpaceState {
  /** What the keyboard carries, and the viewport it would be put down in. */
  carried: { item: string; target: PaneId } | null;
  /** What the other viewports take from the one in use. */
  links: { place: boolean; window: boolean; view: boolean };
  anchors: Partial<Record<PaneId, Anchor>>;
  /** Viewports of the same mm to the screen's pixel: as large as all fit, or as in the patient. */
  sizing: 'fit' | 'same' | 'true';
  hasReferenceLines: boolean;
  isCalibrating: boolean;
  notice: Notice | null;
  planes: PlanesState | null;
  fusion: Fusion | null;
  /** Raised when the volume of the overlay has come. */
  fusionReady: number;
  suvKind: SuvKind;
  cursor: { center: Vector3; frameOfReferenceUid: string } | null;
}

export type Link = keyof SpaceState['links'];

export const useSpace = create<SpaceState>(() => ({
  carried: null,
  links: { place: false, window: false, view: false },
  anchors: {},
  sizing: 'fit',
  hasReferenceLines: true,
  isCalibrating: false,
  notice: null,
  planes: null,
  fusion: null,
  fusionReady: 0,
  suvKind: 'bw',
  cursor: null,
}));
