/**
 * What a picture shows and how it was made, from geometry, codes and times of the sequence. Descriptions are not read:
 * every site, scanner and language writes its own.
 */
import { items, texts } from '../data/dicomJson';
import type { DisplaySet, StackDisplaySet } from '../data/displaySets';
import { type Frame, frameNumberOf, frameText, lookup, normalOf } from '../data/frames';
import { lateralityOf } from '../data/mammography';
import type { ImagePlane, Weighting } from './protocol';

/** What can be chosen for a viewport: a stack, or one picture of a series of projections. */
export interface Picture {
  displaySetId: string;
  studyInstanceUid: string;
  seriesInstanceUid: string;
  /** The picture itself, or the first of its stack: what it is found by when all of the series has come. */
  sopInstanceUid: string;
  seriesNumber: number | null;
  description: string;
  modality: string;
  plane: ImagePlane | '';
  view: string;
  laterality: string;
  weighting: Weighting | '';
  hasContrast: boolean;
  imageType: string[];
  thickness: number | null;
  isLocalizer: boolean;
  /** One picture of a series in which each is a view of its own. */
  isSingle: boolean;
}

/** Each picture of these is a view of its own. */
const OF_SINGLE_PICTURES = new Set(['CR', 'DX', 'MG', 'IO', 'PX', 'RG']);

/** Cosine of 37 degrees: what leans more than that between two planes is oblique. */
const ALONG = 0.8;
const PLANE_OF_AXIS = ['sagittal', 'coronal', 'axial'] as const;

export function planeOf(frame: Frame): ImagePlane | '' {
  const normal = normalOf(frame.plane);
  if (!normal) return '';
  const axis = normal.findIndex((along) => Math.abs(along) >= ALONG);
  return PLANE_OF_AXIS[axis] ?? 'oblique';
}

/** View codes (PS3.16 CID 4010, 4014), and those of SNOMED-RT that older machines write. */
const VIEW_OF_CODE: Record<string, string> = {
  '399162004': 'CC',
  'R-10242': 'CC',
  '399368009': 'MLO',
  'R-10226': 'MLO',
  '399260004': 'ML',
  'R-10224': 'ML',
  '399352003': 'LM',
  'R-10228': 'LM',
  '399099002': 'LMO',
  'R-10230': 'LMO',
  '399196006': 'FB',
  'R-10244': 'FB',
  '272479007': 'PA',
  'R-10214': 'PA',
  '399348003': 'AP',
  'R-10206': 'AP',
  '399067008': 'LATERAL',
  'R-10238': 'LATERAL',
  '399173006': 'LATERAL',
  'R-10236': 'LATERAL',
  '399198007': 'LATERAL',
  'R-10232': 'LATERAL',
};

/** View Position (0018,5101) in the same words. */
const VIEW_OF_POSITION: Record<string, string> = { LL: 'LATERAL', RL: 'LATERAL', LAT: 'LATERAL' };

export function viewOf(frame: Frame): string {
  for (const item of items(lookup(frame, '00540220'), '00540220')) {
    const [code = ''] = texts(item, '00080100');
    const known = VIEW_OF_CODE[code];
    if (known !== undefined) return known;
  }
  const position = frameText(frame, '00185101').toUpperCase();
  return VIEW_OF_POSITION[position] ?? position;
}

export function hasContrast(frame: Frame): boolean {
  return frameText(frame, '00180010') !== '' || items(lookup(frame, '00180012'), '00180012').length > 0;
}

const DIFFUSION = ['DIFFUSION', 'TRACEW', 'TRACE'];

/**
 * How an MR picture is weighted: repetition (TR), echo (TE) and inversion time (TI) in ms, b-values, kind of sequence.
 * The limits are those that textbooks give for 1.5 and 3 T. Empty where they do not tell.
 */
export function weightingOf(frames: readonly Frame[]): Weighting | '' {
  const [frame] = frames;
  if (!frame || frame.instance.modality !== 'MR') return '';
  const { imageType } = frame.instance;
  if (imageType.includes('ADC')) return 'adc';
  if (DIFFUSION.some((word) => imageType.includes(word))) return 'diffusion';
  if (frames.some((each) => (frameNumberOf(each, '00189087') ?? 0) > 0)) return 'diffusion';
  const repetition = frameNumberOf(frame, '00180080');
  const echo = frameNumberOf(frame, '00189082') ?? frameNumberOf(frame, '00180081');
  const inversion = frameNumberOf(frame, '00180082') ?? 0;
  if (echo === null) return '';
  if (inversion >= 1500 && echo >= 60) return 'flair';
  if (inversion >= 80 && inversion <= 260 && (repetition ?? 0) >= 1500) return 'stir';
  const kinds = texts(lookup(frame, '00180020'), '00180020');
  if (kinds.includes('GR') && !kinds.includes('SE')) return echo >= 15 ? 't2star' : 't1';
  if (repetition === null) return '';
  // With an inversion pulse of 500 ms or more, T1 decides although the repetition is slow (T1 FLAIR, MPRAGE as SE).
  if (echo < 40 && (repetition <= 1200 || inversion >= 500)) return 't1';
  if (repetition >= 1500) return echo >= 60 ? 't2' : 'pd';
  return '';
}

function pictureOf(stack: StackDisplaySet, frames: readonly Frame[], isSingle: boolean): Picture | null {
  const [frame] = frames;
  if (!frame) return null;
  const side = lateralityOf(frame);
  const thickness = frame.sliceThickness;
  return {
    displaySetId: stack.id,
    studyInstanceUid: stack.studyInstanceUid,
    seriesInstanceUid: stack.seriesInstanceUid,
    sopInstanceUid: frame.instance.sopInstanceUid,
    seriesNumber: stack.seriesNumber,
    description: stack.description,
    modality: stack.modality,
    plane: planeOf(frame),
    view: viewOf(frame),
    laterality: side === 'L' || side === 'R' || side === 'B' ? side : '',
    weighting: weightingOf(frames),
    hasContrast: hasContrast(frame),
    imageType: frame.instance.imageType,
    thickness: thickness !== null && thickness > 0 ? thickness : null,
    isLocalizer: frame.instance.imageType.includes('LOCALIZER'),
    isSingle,
  };
}

/** What raw detectors write for computers only (0008,0068). */
const isForProcessing = (frame: Frame): boolean => frameText(frame, '00080068') === 'FOR PROCESSING';

/** All that can be hung of these display sets. */
export function picturesOf(displaySets: readonly DisplaySet[]): Picture[] {
  return displaySets.flatMap((stack) => {
    if (stack.kind !== 'stack' || stack.derived) return [];
    const frames = stack.frames.filter((frame) => !isForProcessing(frame));
    const areSingle = OF_SINGLE_PICTURES.has(stack.modality) && !stack.isMultiFrame;
    const groups = areSingle ? frames.map((frame) => [frame]) : [frames];
    return groups.map((group) => pictureOf(stack, group, areSingle)).filter((picture) => picture !== null);
  });
}
