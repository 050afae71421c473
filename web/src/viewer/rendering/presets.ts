/** How values of a volume become colours and opacities: presets, shifted and strengthened by the reader. */

export const RENDERINGS = ['ctBone', 'ctVessels', 'ctSoft', 'ctLung', 'mr', 'petMip'] as const;
export type RenderingName = (typeof RENDERINGS)[number];

/** A preset as Cornerstone lists them: a count, then nodes of numbers, all in one text. */
export interface ListedPreset {
  name: string;
  scalarOpacity: string;
  colorTransfer: string;
  shade: string;
  ambient: string;
  diffuse: string;
  specular: string;
  specularPower: string;
}

export const LISTED: Record<Exclude<RenderingName, 'petMip'>, string> = {
  ctBone: 'CT-Bone',
  ctVessels: 'CT-Chest-Vessels',
  ctSoft: 'CT-Soft-Tissue',
  ctLung: 'CT-Lung',
  mr: 'MR-Default',
};

export interface Transfer {
  /** Value, then opacity from 0 to 1. */
  opacity: [number, number][];
  /** Value, then red, green and blue from 0 to 1. */
  colour: [number, number, number, number][];
  isMip: boolean;
  isShaded: boolean;
  ambient: number;
  diffuse: number;
  specular: number;
  specularPower: number;
}

export interface Strength {
  /** Added to every value of the preset: more of it shows less. */
  shift: number;
  /** Times every opacity. */
  factor: number;
}

export const PLAIN: Strength = { shift: 0, factor: 1 };

const numbersOf = (text: string): number[] => text.split(' ').slice(1).map(Number);

/** Values of a listed preset for MR reach so far; what a series has is fitted to it. */
const MR_TOP = 1024;

export function listedTransfer(preset: ListedPreset, most: number, isFitted: boolean): Transfer {
  const fit = isFitted && most > 0 ? most / MR_TOP : 1;
  const opacities = numbersOf(preset.scalarOpacity);
  const colours = numbersOf(preset.colorTransfer);
  return {
    opacity: Array.from({ length: opacities.length / 2 }, (_, at) => [
      (opacities[2 * at] ?? 0) * fit,
      opacities[2 * at + 1] ?? 0,
    ]),
    colour: Array.from({ length: colours.length / 4 }, (_, at) => [
      (colours[4 * at] ?? 0) * fit,
      colours[4 * at + 1] ?? 0,
      colours[4 * at + 2] ?? 0,
      colours[4 * at + 3] ?? 0,
    ]),
    isMip: false,
    isShaded: preset.shade === '1',
    ambient: Number(preset.ambient),
    diffuse: Number(preset.diffuse),
    specular: Number(preset.specular),
    specularPower: Number(preset.specularPower),
  };
}

/** The greatest value along the line of sight, dark on white as nuclear medicine reads it. */
export const petMip = (upper: number): Transfer => ({
  opacity: [
    [0, 0],
    [upper, 1],
  ],
  colour: [
    [0, 1, 1, 1],
    [upper, 0, 0, 0],
  ],
  isMip: true,
  isShaded: false,
  ambient: 1,
  diffuse: 0,
  specular: 0,
  specularPower: 1,
});

export function strengthened(transfer: Transfer, { shift, factor }: Strength): Transfer {
  return {
    ...transfer,
    opacity: transfer.opacity.map(([value, opacity]) => [value + shift, Math.min(1, opacity * factor)]),
    colour: transfer.colour.map(([value, red, green, blue]) => [value + shift, red, green, blue]),
  };
}

/** How far the nodes between the outermost reach: what a drag over the whole picture changes. */
export function spanOf({ opacity }: Transfer): number {
  const inner = opacity.length > 3 ? opacity.slice(1, -1) : opacity;
  const values = inner.map(([value]) => value);
  return Math.max(1e-6, Math.max(...values) - Math.min(...values));
}

/** What a series is rendered with at first. */
export const firstFor = (modality: string): RenderingName =>
  modality === 'CT' ? 'ctBone' : modality === 'PT' || modality === 'NM' ? 'petMip' : 'mr';
