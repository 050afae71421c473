/**
 * An instance's attributes as the viewer needs them, and those of each of its frames.
 *
 * Enhanced objects keep them in the shared and per-frame functional groups (PS3.3 C.7.6.16); the per-frame group wins
 * over the shared one, and both over the top level.
 */
import {
  type DicomJson,
  items,
  number,
  numbers,
  personName,
  type PersonName,
  text,
  texts,
} from './dicomJson';
import { asVector3, cross, dot, length, normalized, type Vector3 } from './vectors';

/** How the distance between pixels is known. */
export type SpacingSource = 'patient' | 'detector' | 'calibrated' | 'aspect' | 'none';

export interface Plane {
  /** Centre of the first pixel, in the patient's coordinates (mm). */
  position: Vector3 | null;
  /** Direction of increasing column index, then of increasing row index. */
  rowDirection: Vector3 | null;
  columnDirection: Vector3 | null;
  /** Distance in mm between the centres of neighbouring rows, and of neighbouring columns. */
  rowSpacing: number;
  columnSpacing: number;
  spacingSource: SpacingSource;
}

export interface PixelFormat {
  rows: number;
  columns: number;
  samplesPerPixel: number;
  photometricInterpretation: string;
  planarConfiguration: number;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  /** Two's complement when true. Absent for floating point pixel data. */
  isSigned: boolean;
  isFloat: boolean;
}

export interface Instance {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopInstanceUid: string;
  sopClassUid: string;
  modality: string;
  instanceNumber: number | null;
  acquisitionNumber: number | null;
  imageType: string[];
  numberOfFrames: number;
  transferSyntaxUid: string;
  pixels: PixelFormat | null;
  isLossy: boolean;
  lossyRatio: number | null;
  dataset: DicomJson;
}

export interface Frame {
  instance: Instance;
  /** Counts from 1, as in the standard. */
  frameNumber: number;
  imageId: string;
  plane: Plane;
  /** Data sets to look an attribute up in, most specific first. */
  groups: DicomJson[];
  sliceLocation: number | null;
  sliceThickness: number | null;
}

const TRANSFER_SYNTAX_AVAILABLE = '00083002';

function readPixels(dataset: DicomJson): PixelFormat | null {
  const rows = number(dataset, '00280010');
  const columns = number(dataset, '00280011');
  if (!rows || !columns) return null;
  const bitsAllocated = number(dataset, '00280100') ?? 8;
  const bitsStored = number(dataset, '00280101') ?? bitsAllocated;
  const samplesPerPixel = number(dataset, '00280002') ?? 1;
  return {
    rows,
    columns,
    samplesPerPixel,
    photometricInterpretation: text(dataset, '00280004') || (samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2'),
    planarConfiguration: number(dataset, '00280006') ?? 0,
    bitsAllocated,
    bitsStored,
    highBit: number(dataset, '00280102') ?? bitsStored - 1,
    isSigned: number(dataset, '00280103') === 1,
    isFloat: dataset['7FE00008'] !== undefined || dataset['7FE00009'] !== undefined,
  };
}

export function readInstance(dataset: DicomJson): Instance {
  const ratios = numbers(dataset, '00282112');
  return {
    studyInstanceUid: text(dataset, '0020000D'),
    seriesInstanceUid: text(dataset, '0020000E'),
    sopInstanceUid: text(dataset, '00080018'),
    sopClassUid: text(dataset, '00080016'),
    modality: text(dataset, '00080060'),
    instanceNumber: number(dataset, '00200013'),
    acquisitionNumber: number(dataset, '00200012'),
    imageType: texts(dataset, '00080008'),
    numberOfFrames: Math.max(1, Math.floor(number(dataset, '00280008') ?? 1)),
    transferSyntaxUid: text(dataset, '00020010') || text(dataset, TRANSFER_SYNTAX_AVAILABLE),
    pixels: readPixels(dataset),
    isLossy: text(dataset, '00282110') === '01',
    lossyRatio: ratios?.at(-1) ?? null,
    dataset,
  };
}

/** The first item of a functional group's sequence, found per frame, then shared, then at the top level. */
function macro(groups: DicomJson[], tag: string): DicomJson | undefined {
  for (const group of groups) {
    const [item] = items(group, tag);
    if (item) return item;
  }
  return undefined;
}

/** Data sets that hold an attribute of the frame: its macros first, the instance's top level last. */
export function lookup(frame: Frame, tag: string): DicomJson | undefined {
  return frame.groups.find((dataset) => dataset[tag] !== undefined);
}

export function frameNumberOf(frame: Frame, tag: string): number | null {
  return number(lookup(frame, tag), tag);
}

export function frameText(frame: Frame, tag: string): string {
  return text(lookup(frame, tag), tag);
}

function positive(pair: number[] | null): [number, number] | null {
  if (pair?.length !== 2) return null;
  const [row, column] = pair as [number, number];
  return row > 0 && column > 0 ? [row, column] : null;
}

/** Ultrasound's own calibration (PS3.3 C.8.5.5), when all its regions agree and measure in cm. */
function ultrasoundSpacing(dataset: DicomJson): [number, number] | null {
  const regions = items(dataset, '00186011').filter(
    (region) => number(region, '00186024') === 3 && number(region, '00186026') === 3,
  );
  const spacings = regions.map((region) => [
    Math.abs(number(region, '0018602E') ?? 0) * 10,
    Math.abs(number(region, '0018602C') ?? 0) * 10,
  ]);
  const [first] = spacings;
  if (!first || spacings.some(([row, column]) => row !== first[0] || column !== first[1])) return null;
  return positive(first);
}

function readSpacing(
  groups: DicomJson[],
  dataset: DicomJson,
): Pick<Plane, 'rowSpacing' | 'columnSpacing' | 'spacingSource'> {
  const measures = macro(groups, '00289110');
  const patient = positive(numbers(measures, '00280030') ?? numbers(dataset, '00280030'));
  if (patient) return { rowSpacing: patient[0], columnSpacing: patient[1], spacingSource: 'patient' };
  const detector = positive(numbers(dataset, '00181164'));
  if (detector) {
    const magnification = number(dataset, '00181114');
    const factor = magnification !== null && magnification > 0 ? magnification : 1;
    return {
      rowSpacing: detector[0] / factor,
      columnSpacing: detector[1] / factor,
      spacingSource: 'detector',
    };
  }
  const scanned = positive(numbers(dataset, '00182010'));
  if (scanned) return { rowSpacing: scanned[0], columnSpacing: scanned[1], spacingSource: 'detector' };
  const ultrasound = ultrasoundSpacing(dataset);
  if (ultrasound)
    return { rowSpacing: ultrasound[0], columnSpacing: ultrasound[1], spacingSource: 'calibrated' };
  const aspect = positive(numbers(dataset, '00280034'));
  if (aspect) return { rowSpacing: aspect[0] / aspect[1], columnSpacing: 1, spacingSource: 'aspect' };
  return { rowSpacing: 1, columnSpacing: 1, spacingSource: 'none' };
}

function readPlane(groups: DicomJson[], dataset: DicomJson): Plane {
  const orientation = numbers(macro(groups, '00209116'), '00200037') ?? numbers(dataset, '00200037');
  const position = asVector3(numbers(macro(groups, '00209113'), '00200032') ?? numbers(dataset, '00200032'));
  let rowDirection: Vector3 | null = null;
  let columnDirection: Vector3 | null = null;
  if (orientation?.length === 6) {
    const row = asVector3(orientation.slice(0, 3));
    const column = asVector3(orientation.slice(3));
    // Directions that are zero or parallel span no plane; such files exist.
    if (row && column && length(cross(row, column)) > 0.01) {
      rowDirection = normalized(row);
      columnDirection = normalized(column);
    }
  }
  return { position, rowDirection, columnDirection, ...readSpacing(groups, dataset) };
}

export function normalOf(plane: Plane): Vector3 | null {
  if (!plane.rowDirection || !plane.columnDirection) return null;
  return normalized(cross(plane.rowDirection, plane.columnDirection));
}

/** Distance of a plane from the origin along its normal, in mm: what stacks are sorted by. */
export function distanceAlongNormal(plane: Plane, normal: Vector3): number | null {
  return plane.position ? dot(plane.position, normal) : null;
}

export function frameUrl(root: string, instance: Instance, frameNumber: number): string {
  return `${root}/studies/${instance.studyInstanceUid}/series/${instance.seriesInstanceUid}/instances/${instance.sopInstanceUid}/frames/${frameNumber}`;
}

export const imageIdOf = (url: string): string => `wadors:${url}`;

function flattened(group: DicomJson): DicomJson[] {
  return Object.keys(group).flatMap((tag) => items(group, tag).slice(0, 1));
}

export function framesOf(instance: Instance, root: string): Frame[] {
  const { dataset } = instance;
  const [shared] = items(dataset, '52009229');
  const perFrame = items(dataset, '52009230');
  return Array.from({ length: instance.numberOfFrames }, (_, index) => {
    const own = perFrame[index];
    const functional = [own, shared].filter((group): group is DicomJson => group !== undefined);
    const macros = functional.flatMap(flattened);
    const plane = readPlane(functional, dataset);
    const normal = normalOf(plane);
    const frame: Frame = {
      instance,
      frameNumber: index + 1,
      imageId: imageIdOf(frameUrl(root, instance, index + 1)),
      plane,
      groups: [...macros, dataset],
      sliceLocation: null,
      sliceThickness: null,
    };
    frame.sliceThickness = frameNumberOf(frame, '00180050');
    frame.sliceLocation = (normal && distanceAlongNormal(plane, normal)) ?? frameNumberOf(frame, '00201041');
    return frame;
  });
}

export interface PatientAndStudy {
  patientName: PersonName;
  patientId: string;
  patientBirthDate: string;
  patientSex: string;
  studyDate: string;
  studyTime: string;
  studyDescription: string;
  accessionNumber: string;
}

export function readPatientAndStudy(dataset: DicomJson): PatientAndStudy {
  return {
    patientName: personName(dataset, '00100010'),
    patientId: text(dataset, '00100020'),
    patientBirthDate: text(dataset, '00100030'),
    patientSex: text(dataset, '00100040'),
    studyDate: text(dataset, '00080020'),
    studyTime: text(dataset, '00080030'),
    studyDescription: text(dataset, '00081030'),
    accessionNumber: text(dataset, '00080050'),
  };
}
