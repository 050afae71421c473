/** What a hanging protocol says: when it is for a study, how viewports lie, what goes into each. Plain data. */
import { PLANES, type PlaneName } from '../data/planes';
import { SLAB_MODES, type SlabMode } from '../data/reslice';
import { RENDERINGS, type RenderingName } from '../rendering/presets';
import type { Layout } from '../state/layout';

export interface Code {
  value: string;
  scheme: string;
  meaning: string;
}

export type Side = '' | 'L' | 'R' | 'B';

/** Each part that is not empty must hold; of a list, one entry. */
export interface Conditions {
  modalities: readonly string[];
  /** As `dicom/anatomy.py` names them. */
  regions: readonly string[];
  procedures: readonly Code[];
  laterality: Side;
  /** Priors that must be there. */
  priors: number;
}

/** As the server names them (`dicom/anatomy.py`). */
export const REGIONS = [
  'head',
  'neck',
  'chest',
  'heart',
  'breast',
  'abdomen',
  'pelvis',
  'spine',
  'shoulder',
  'elbow',
  'hand',
  'hip',
  'knee',
  'foot',
  'leg',
  'whole body',
] as const;

export const PLANE_NAMES = ['axial', 'coronal', 'sagittal', 'oblique'] as const;
export type ImagePlane = (typeof PLANE_NAMES)[number];

export const WEIGHTINGS = ['t1', 't2', 'pd', 'flair', 'stir', 't2star', 'diffusion', 'adc'] as const;
export type Weighting = (typeof WEIGHTINGS)[number];

/** Which pictures a viewport shows. What is empty or null may be anything. */
export interface Selector {
  /** 0 is the current study, 1 the first prior that is offered. */
  prior: number;
  modality: string;
  plane: ImagePlane | '';
  /** Any of these views: CC, MLO, PA, LATERAL ... */
  views: readonly string[];
  laterality: '' | 'L' | 'R';
  weighting: Weighting | '';
  hasContrast: boolean | null;
  /** Values that Image Type (0008,0008) must have, all of them. */
  imageType: readonly string[];
  /** From and to in mm, both included. */
  thickness: readonly [number, number] | null;
  /** Which of those that match, from 0, in the order of their series numbers. */
  place: number;
}

export interface HungWindow {
  center: number;
  width: number;
}

/** Planes cut from the stack: as thick, and as far apart, as is said in mm; 0 is a voxel. */
export interface Cut {
  kind: 'plane';
  plane: PlaneName;
  thickness: number;
  interval: number;
  mode: SlabMode;
}

/** The stack as a volume; without a preset, by that of its modality. */
export interface Rendering {
  kind: 'volume';
  preset: RenderingName | '';
}

export type Reformat = Cut | Rendering;

export const CUT_PLANES = PLANES;
export const CUT_MODES = SLAB_MODES;
export const CUT_MAX_MM = 100;
export const RENDERING_PRESETS = ['', ...RENDERINGS] as const;

/** Priors that a rule can ask for. */
export const PRIORS_MAX = 3;

export interface Viewport {
  selector: Selector | null;
  window: HungWindow | null;
  isInverted: boolean;
  reformat: Reformat | null;
}

export const EMPTY: Viewport = { selector: null, window: null, isInverted: false, reformat: null };

export const SIZES = ['fit', 'same', 'true'] as const;
/** Each picture as large as fits, all of the same mm to the screen's pixel, or as large as in the patient. */
export type Sizing = (typeof SIZES)[number];

/** Hanging Protocol Description (0072,0004), of VR LO. */
export const NAME_MAX = 64;

export interface Rule {
  name: string;
  when: Conditions;
  layout: Layout;
  /** As many as the layout has. */
  viewports: readonly Viewport[];
  /** Viewports that must have something to show; with fewer it does not hang. */
  atLeast: number;
  sizing: Sizing;
  links: { place: boolean; window: boolean; view: boolean };
  /** PET in colours over what shares its frame of reference. */
  hasFusion: boolean;
}

export const OWNERS = ['person', 'site', 'builtIn'] as const;
/** In the order in which they are asked. */
export type Owner = (typeof OWNERS)[number];

export interface Protocol extends Rule {
  id: string;
  owner: Owner;
}

export const ANY: Conditions = { modalities: [], regions: [], procedures: [], laterality: '', priors: 0 };

export const ANYTHING: Selector = {
  prior: 0,
  modality: '',
  plane: '',
  views: [],
  laterality: '',
  weighting: '',
  hasContrast: null,
  imageType: [],
  thickness: null,
  place: 0,
};

export const NO_LINKS: Rule['links'] = { place: false, window: false, view: false };

export const showing = (selector: Partial<Selector>, more: Partial<Viewport> = {}): Viewport => ({
  ...EMPTY,
  selector: { ...ANYTHING, ...selector },
  ...more,
});

/** How many priors a rule shows. */
export const priorsShown = ({ viewports }: Pick<Rule, 'viewports'>): number =>
  Math.max(0, ...viewports.map(({ selector }) => selector?.prior ?? 0));
