/**
 * Mask subtraction (PS3.3 C.7.6.10, C.11.13, C.11.19): which frames it takes, and what it gives.
 *
 * Differences are taken in a space logarithmic to X-ray intensity, as the server does (`dicom/subtracting.py`).
 */
import { type LookupTable, readTable, tableValue } from '../lut/tables';
import { type DicomJson, items, number, numbers, text } from './dicomJson';
import { type Frame, frameText } from './frames';
import { isInPolygon, type Point2 } from './vectors';

/** Whose mask is subtracted, and how far the reader has moved it: down, to the right, in pixels. */
export interface ChosenMask {
  source:
    { kind: 'state'; sopInstanceUid: string } | { kind: 'image' } | { kind: 'frame'; frameNumber: number };
  moved: readonly [number, number];
}

/** How far a mask is moved within a region (column, row from 1): down, and to the LEFT (C.7.6.10.1.2). */
export interface Shift {
  rows: number;
  columns: number;
  region: Point2[] | null;
}

export interface Subtraction {
  /** Frames from 1, of which the mean is taken. */
  contrast: number[];
  mask: number[];
  shifts: Shift[];
  /** 0: the mask is subtracted in full. */
  maskShareKept: number;
  logTables: { ranges: number[]; item: DicomJson }[];
}

const isWithin = (ranges: number[], frame: number): boolean => {
  for (let at = 0; at + 1 < ranges.length; at += 2)
    if ((ranges[at] ?? 0) <= frame && frame <= (ranges[at + 1] ?? 0)) return true;
  return false;
};

const isAbout = (item: DicomJson, sopInstanceUid: string): boolean => {
  const named = items(item, '00081140');
  return named.length === 0 || named.some((each) => text(each, '00081155') === sopInstanceUid);
};

function shiftOf(item: DicomJson): Shift[] {
  const [rows, columns] = numbers(item, '00286114') ?? [];
  if (rows === undefined || columns === undefined) return [];
  const flat = numbers(item, '00289503') ?? [];
  const region = Array.from({ length: flat.length >> 1 }, (_, at): Point2 => [
    flat[2 * at + 1] ?? 0,
    flat[2 * at] ?? 0,
  ]);
  return [{ rows, columns, region: region.length >= 3 ? region : null }];
}

/** Of the mask item of an XA/XRF state, of a Grayscale one or of an image, and of the frame of an Enhanced image. */
function shiftsOf(item: DicomJson, frame: Frame): Shift[] {
  const groups = items(item, '00289501');
  if (groups.length > 0) {
    const group = groups.find((each) => isWithin(numbers(each, '00289506') ?? [], frame.frameNumber));
    return items(group, '00289502').flatMap(shiftOf);
  }
  const id = number(item, '00289416');
  const ofFrame = frame.groups.find((group) => number(group, '00289416') === id && group['00286114']);
  return shiftOf((id !== null && ofFrame) || item);
}

/** How XA/XRF states have a frame displayed: subtracted or not, and how much of the mask stays (C.11.21). */
function displayOf(dataset: DicomJson, frame: Frame): DicomJson | undefined {
  return items(dataset, '00289505')
    .filter((item) => isAbout(item, frame.instance.sopInstanceUid))
    .flatMap((item) => items(item, '00089458'))
    .find((item) =>
      isWithin([number(item, '00082142') ?? 1, number(item, '00082143') ?? 0], frame.frameNumber),
    );
}

function framesTaken(
  item: DicomJson,
  frameNumber: number,
  last: number,
): { contrast: number[]; mask: number[] } | null {
  const operation = text(item, '00286101').toUpperCase();
  const averaged = Math.max(1, number(item, '00286112') ?? 1);
  const stated = numbers(item, '00286102') ?? [];
  if (!isWithin(stated.length > 0 ? stated : [1, last - averaged + 1], frameNumber)) return null;
  const offset = number(item, '00286120') ?? 1;
  let mask: number[];
  if (operation === 'AVG_SUB') mask = numbers(item, '00286110') ?? [];
  else if (operation === 'TID') mask = [frameNumber - offset];
  else if (operation === 'REV_TID' && stated[0] !== undefined)
    mask = [stated[0] - offset - (frameNumber - stated[0])];
  else return null;
  if (mask.length === 0 || mask.some((each) => each < 1 || each > last)) return null;
  const count = Math.min(averaged, last - frameNumber + 1);
  return { contrast: Array.from({ length: count }, (_, at) => frameNumber + at), mask };
}

/** What an image, or a state, says of the mask of a frame; null where it says none, or one that makes no sense. */
export function readSubtraction(dataset: DicomJson, frame: Frame): Subtraction | null {
  const { sopInstanceUid, numberOfFrames } = frame.instance;
  const display = displayOf(dataset, frame);
  if (text(display, '00281090').toUpperCase() === 'NAT') return null;
  for (const item of items(dataset, '00286100')) {
    const taken = isAbout(item, sopInstanceUid) && framesTaken(item, frame.frameNumber, numberOfFrames);
    if (!taken) continue;
    return {
      ...taken,
      shifts: shiftsOf(item, frame),
      maskShareKept: Math.min(1, Math.max(0, (number(display, '00289478') ?? 0) / 100)),
      logTables: items(item, '00289422')
        .filter((each) => text(each, '00289474').toUpperCase() === 'TO_LOG')
        .map((each) => ({ ranges: numbers(each, '00289507') ?? [], item: each })),
    };
  }
  return null;
}

/** Whether an object says anything of masks. */
export const hasMask = (dataset: DicomJson): boolean => items(dataset, '00286100').length > 0;

/** One frame as the mask of all the others. */
export const maskOfFrame = (frame: Frame, mask: number): Subtraction => ({
  contrast: [frame.frameNumber],
  mask: [mask],
  shifts: [],
  maskShareKept: 0,
  logTables: [],
});

export interface Grey {
  columns: number;
  rows: number;
}

export interface LogSpace {
  /** Stored values are linear to the intensity. */
  isLinear: boolean;
  bits: number;
  /** A table of the state that leads there. */
  modality: LookupTable | null;
}

export const logSpaceOf = (frame: Frame, state: DicomJson | null): LogSpace => {
  const [item] = items(state ?? undefined, '00283000');
  return {
    isLinear: frameText(frame, '00281040').toUpperCase() === 'LIN',
    bits: frame.instance.pixels?.bitsStored ?? 16,
    modality: item ? readTable(item, false) : null,
  };
};

function inLogSpace(
  values: ArrayLike<number>,
  frameNumber: number,
  subtraction: Subtraction,
  space: LogSpace,
): ArrayLike<number> {
  const item = subtraction.logTables.find(({ ranges }) => isWithin(ranges, frameNumber))?.item;
  const table = (item && readTable(item, false)) ?? space.modality;
  if (table) return Float64Array.from(values, (value) => tableValue(table, value));
  if (!space.isLinear) return values;
  const scale = (2 ** space.bits - 1) / space.bits;
  return Float64Array.from(values, (value) => Math.log2(1 + Math.max(0, value)) * scale);
}

function meanOf(all: ArrayLike<number>[]): Float64Array {
  const total = new Float64Array(all[0]?.length ?? 0);
  for (const values of all)
    for (let at = 0; at < total.length; at += 1) total[at] = (total[at] ?? 0) + (values[at] ?? 0);
  return all.length > 1 ? total.map((value) => value / all.length) : total;
}

interface Places {
  before: Int32Array;
  after: Int32Array;
  share: Float64Array;
}

/** Which two of so many values lie about each place that is so far away, and how near it is to the second. */
function placesAt(count: number, away: number): Places {
  const places = {
    before: new Int32Array(count),
    after: new Int32Array(count),
    share: new Float64Array(count),
  };
  for (let at = 0; at < count; at += 1) {
    const kept = Math.min(count - 1, Math.max(0, at + away));
    const before = Math.floor(kept);
    places.before[at] = before;
    places.after[at] = Math.min(count - 1, before + 1);
    places.share[at] = kept - before;
  }
  return places;
}

/** Moves a mask down and to the left: linear between pixels, beyond its edge as at its edge. */
export function shifted(
  mask: Float64Array,
  { columns, rows }: Grey,
  down: number,
  left: number,
): Float64Array {
  if (down === 0 && left === 0) return mask;
  const across = placesAt(columns, left);
  const along = placesAt(rows, -down);
  const moved = new Float64Array(mask.length);
  for (let row = 0; row < rows; row += 1) {
    const above = (along.before[row] ?? 0) * columns;
    const below = (along.after[row] ?? 0) * columns;
    const share = along.share[row] ?? 0;
    for (let column = 0; column < columns; column += 1) {
      const first = across.before[column] ?? 0;
      const second = across.after[column] ?? 0;
      const part = across.share[column] ?? 0;
      const upper = (mask[above + first] ?? 0) * (1 - part) + (mask[above + second] ?? 0) * part;
      const lower = (mask[below + first] ?? 0) * (1 - part) + (mask[below + second] ?? 0) * part;
      moved[row * columns + column] = upper * (1 - share) + lower * share;
    }
  }
  return moved;
}

/**
 * The differences of a frame and its mask: 0 where nothing differs, above 0 where the contrast is larger.
 *
 * `valuesOf` gives the stored values of each frame by its number; `moved` is how far the reader moved the mask.
 */
export function subtract(
  valuesOf: (frameNumber: number) => ArrayLike<number>,
  grey: Grey,
  subtraction: Subtraction,
  space: LogSpace,
  [movedDown, movedRight]: readonly [number, number],
): Float32Array {
  const read = (frameNumber: number): ArrayLike<number> =>
    inLogSpace(valuesOf(frameNumber), frameNumber, subtraction, space);
  const contrast = meanOf(subtraction.contrast.map(read));
  const mask = meanOf(subtraction.mask.map(read));
  const share = 1 - subtraction.maskShareKept;
  const differences = new Float32Array(contrast.length);
  const everywhere: Shift = { rows: 0, columns: 0, region: null };
  for (const { rows, columns, region } of [everywhere, ...subtraction.shifts]) {
    const moved = shifted(mask, grey, rows + movedDown, columns - movedRight);
    for (let at = 0; at < differences.length; at += 1) {
      if (region && !isInPolygon(region, (at % grey.columns) + 1, Math.floor(at / grey.columns) + 1))
        continue;
      differences[at] = (contrast[at] ?? 0) - share * (moved[at] ?? 0);
    }
  }
  return differences;
}

/** How wide the window is, of the differences that lie nearest to none. */
const SHOWN_SHARE = 0.995;
const SAMPLES_MAX = 65_536;

/** A window about 0, where nothing differs, that shows nearly all differences. */
export function windowOfDifferences(differences: ArrayLike<number>): { center: number; width: number } {
  const step = Math.max(1, Math.floor(differences.length / SAMPLES_MAX));
  const sizes = new Float64Array(Math.ceil(differences.length / step));
  for (let at = 0; at < sizes.length; at += 1) sizes[at] = Math.abs(differences[at * step] ?? 0);
  sizes.sort();
  const largest = sizes[Math.floor((sizes.length - 1) * SHOWN_SHARE)] ?? 0;
  return { center: 0, width: Math.max(1, 2 * largest) };
}

/** Whether the frames of a stack are a run, of which any can be a mask. */
export function isRun(frames: readonly Frame[]): boolean {
  const format = frames[0]?.instance.pixels;
  return (
    frames.length > 1 &&
    format?.samplesPerPixel === 1 &&
    format.photometricInterpretation !== 'PALETTE COLOR' &&
    frames.every(({ instance }) => instance === frames[0]?.instance)
  );
}
