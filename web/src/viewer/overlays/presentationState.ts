/**
 * Softcopy presentation states as the metadata hold them (PS3.3 A.33): what a state says of one frame.
 *
 * Graphic points are column, row; the corner of the first pixel is 0\0 (PIXEL), or the corner of what is shown is 0\0 and
 * the opposite one 1\1 (DISPLAY), as in C.10.5.1.2.
 */
import { type DicomJson, items, number, numbers, personName, text, texts } from '../data/dicomJson';
import type { Frame } from '../data/frames';
import {
  canvasToImage,
  fitScale,
  flippedHorizontally,
  type Geometry,
  isMirrored,
  type Orientation,
  type Presentation,
  rotatedRight,
  scaleOf,
  type Size,
  UPRIGHT,
  zoomForPixelSize,
} from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { brightness, rangeOf, type TableVoi, type Voi, type WindowVoi } from '../lut/voi';
import { type LookupTable, readTable } from '../lut/tables';
import { type Rgb, rgbFromCielab } from './colour';
import { readShutter, type Shutter } from './shutter';

export interface PresentationStateObject {
  sopInstanceUid: string;
  label: string;
  description: string;
  author: string;
  date: string;
  time: string;
  /** Series to instances to frames from 1; an empty list is all frames. */
  references: Map<string, Map<string, number[]>>;
  isInverse: boolean;
  orientation: Orientation;
  shutter: Shutter | null;
  dataset: DicomJson;
}

export type Units = 'PIXEL' | 'DISPLAY';

export interface Graphic {
  kind: 'POINT' | 'POLYLINE' | 'INTERPOLATED' | 'CIRCLE' | 'ELLIPSE';
  units: Units;
  points: Point2[];
  isFilled: boolean;
  colour: Rgb;
}
export interface GraphicText {
  text: string;
  box: readonly [Point2, Point2] | null;
  boxUnits: Units;
  anchor: Point2 | null;
  anchorUnits: Units;
  hasLine: boolean;
  colour: Rgb;
}

export interface Area {
  /** Columns and rows from 1, both ends shown, possibly beyond the image. */
  left: number;
  top: number;
  right: number;
  bottom: number;
  mode: string;
  magnification: number;
}

const unitsOf = (value: string): Units => (value === 'DISPLAY' ? 'DISPLAY' : 'PIXEL');

function orientationOf(dataset: DicomJson): Orientation {
  const turns = Math.round((number(dataset, '00700042') ?? 0) / 90) & 3;
  let orientation: Orientation = UPRIGHT;
  for (let turn = 0; turn < turns; turn += 1) orientation = rotatedRight(orientation);
  // Flipped after it was turned (C.10.6).
  return text(dataset, '00700041') === 'Y' ? flippedHorizontally(orientation) : orientation;
}

/** Quarter turns clockwise, and whether it is flipped afterwards: what C.10.6 writes of an orientation. */
export function spatialTransformation(orientation: Orientation): {
  rotation: 0 | 90 | 180 | 270;
  isFlipped: boolean;
} {
  const isFlipped = isMirrored(orientation);
  const target = isFlipped ? flippedHorizontally(orientation) : orientation;
  let turned: Orientation = UPRIGHT;
  for (const rotation of [0, 90, 180, 270] as const) {
    if (turned.every((value, index) => Math.abs(value - (target[index] ?? 0)) < 0.01))
      return { rotation, isFlipped };
    turned = rotatedRight(turned);
  }
  return { rotation: 0, isFlipped };
}

export function readPresentationState(dataset: DicomJson): PresentationStateObject {
  const name = personName(dataset, '00700084');
  const references = new Map<string, Map<string, number[]>>();
  for (const series of items(dataset, '00081115')) {
    const images = new Map<string, number[]>();
    for (const image of items(series, '00081140'))
      images.set(text(image, '00081155'), numbers(image, '00081160') ?? []);
    references.set(text(series, '0020000E'), images);
  }
  return {
    sopInstanceUid: text(dataset, '00080018'),
    label: text(dataset, '00700080'),
    description: text(dataset, '00700081'),
    author: (name.alphabetic ?? '').replaceAll('^', ' ').trim(),
    date: text(dataset, '00700082'),
    time: text(dataset, '00700083'),
    references,
    isInverse: text(dataset, '20500020').toUpperCase() === 'INVERSE',
    orientation: orientationOf(dataset),
    shutter: readShutter(dataset),
    dataset,
  };
}

/** Whether a state is for a frame; a series that names no images is meant as a whole (C.11.11). */
export function isFor(state: PresentationStateObject, frame: Frame): boolean {
  const images = state.references.get(frame.instance.seriesInstanceUid);
  if (!images) return false;
  if (images.size === 0) return true;
  const frames = images.get(frame.instance.sopInstanceUid);
  return frames !== undefined && (frames.length === 0 || frames.includes(frame.frameNumber));
}

function holds(item: DicomJson, frame: Frame): boolean {
  const named = items(item, '00081140');
  if (named.length === 0) return true;
  return named.some((reference) => {
    if (text(reference, '00081155') !== frame.instance.sopInstanceUid) return false;
    const frames = numbers(reference, '00081160');
    return !frames || frames.includes(frame.frameNumber);
  });
}

const forFrame = (state: PresentationStateObject, tag: string, frame: Frame): DicomJson[] =>
  items(state.dataset, tag).filter((item) => holds(item, frame));

/** All items of tables in a state, whose data may have to be fetched. */
export const tablesOfState = ({ dataset }: PresentationStateObject): DicomJson[] => [
  ...items(dataset, '00283000'),
  ...items(dataset, '20500010'),
  ...items(dataset, '00283110').flatMap((item) => items(item, '00283010')),
  ...items(dataset, '00286100').flatMap((item) => items(item, '00289422')),
];

function windowOf(item: DicomJson): WindowVoi | null {
  const center = numbers(item, '00281050')?.[0];
  const width = numbers(item, '00281051')?.[0];
  const stated = text(item, '00281056');
  const shape = stated === 'SIGMOID' || stated === 'LINEAR_EXACT' ? stated : 'LINEAR';
  if (center === undefined || width === undefined || width < (shape === 'LINEAR' ? 1 : 1e-6)) return null;
  return { kind: 'window', shape, center, width, explanation: text(item, '00281055') };
}

interface Linear {
  slope: number;
  intercept: number;
}

const linearOf = (dataset: DicomJson | undefined): Linear | null => {
  const slope = number(dataset, '00281053');
  const intercept = number(dataset, '00281052');
  return slope === null || intercept === null || slope === 0 ? null : { slope, intercept };
};

const ENTRIES_MAX = 65_536;

/** A function of modality values, sampled to a table of 16 bits. */
function sampled(lower: number, upper: number, level: (value: number) => number): TableVoi {
  const first = Math.floor(lower);
  const count = Math.min(ENTRIES_MAX, Math.max(2, Math.ceil(upper) - first + 1));
  const entries = Uint16Array.from({ length: count }, (_, index) =>
    Math.round(65_535 * Math.min(1, Math.max(0, level(first + index)))),
  );
  return { kind: 'table', table: { first, bitsPerEntry: 16, entries, explanation: '' }, explanation: '' };
}

function through(table: LookupTable, level: number): number {
  const entry = table.entries[Math.round(level * (table.entries.length - 1))] ?? 0;
  return Math.min(1, entry / (2 ** table.bitsPerEntry - 1));
}

/**
 * The VOI function that a state asks for, of the modality values that we keep of the frame. A state brings its own
 * modality transformation (C.11.1): where it differs from the image's, the window is moved to our values.
 */
export function voiOfState(
  state: PresentationStateObject,
  frame: Frame,
  isOfDifferences = false,
): Voi | null {
  const [item] = forFrame(state, '00283110', frame);
  const isSigned = frame.instance.pixels?.isSigned ?? false;
  const [tableItem] = items(item, '00283010');
  const [presentationItem] = items(state.dataset, '20500010');
  const [modalityItem] = items(state.dataset, '00283000');
  const presentation = presentationItem ? readTable(presentationItem, false) : null;
  // Differences are taken behind the modality transformation of the state, and may be below zero.
  const modality = modalityItem && !isOfDifferences ? readTable(modalityItem, isSigned) : null;
  const table = tableItem ? readTable(tableItem, true) : null;
  let voi: Voi | null = item ? windowOf(item) : null;
  if (table) voi = { kind: 'table', table, explanation: table.explanation };

  const own = linearOf(frame.groups.find((group) => group['00281053'])) ?? { slope: 1, intercept: 0 };
  const hasOwnTable = frame.groups.some((group) => group['00283000'] !== undefined);
  const stated = linearOf(state.dataset);
  const isMoved =
    stated !== null &&
    !isOfDifferences &&
    !hasOwnTable &&
    (stated.slope !== own.slope || stated.intercept !== own.intercept);
  const toState = (value: number): number => {
    if (modality && !hasOwnTable) {
      const at = Math.round((value - own.intercept) / own.slope) - modality.first;
      return modality.entries[Math.min(modality.entries.length - 1, Math.max(0, at))] ?? 0;
    }
    return isMoved ? ((value - own.intercept) / own.slope) * stated.slope + stated.intercept : value;
  };
  if (!modality && !presentation && !isMoved) return voi;

  // Without a VOI of its own the whole range of the modality transformation is shown (PS3.4 N.2.1.2).
  const format = frame.instance.pixels;
  const bits = format?.bitsStored ?? 16;
  const storedEnds = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  const top = 2 ** bits - 1;
  const ends = isOfDifferences ? [-top, top] : storedEnds.map((stored) => stored * own.slope + own.intercept);
  const [lowest, highest] = [Math.min(...ends), Math.max(...ends)];
  const shown: Voi = voi ?? {
    kind: 'window',
    shape: 'LINEAR_EXACT',
    center: (toState(lowest) + toState(highest)) / 2,
    width: Math.max(1e-6, Math.abs(toState(highest) - toState(lowest))),
    explanation: '',
  };
  if (
    isMoved &&
    !presentation &&
    shown.kind === 'window' &&
    shown.shape !== 'LINEAR' &&
    stated.slope / own.slope > 0
  ) {
    const factor = own.slope / stated.slope;
    const center = (shown.center - stated.intercept) * factor + own.intercept;
    return { ...shown, center, width: shown.width * factor };
  }
  let [lower, upper] = [lowest, highest];
  if (!modality && !isMoved) {
    const range = rangeOf(shown);
    [lower, upper] = [Math.max(lowest, range.lower - 1), Math.min(highest, range.upper + 1)];
    if (upper <= lower) [lower, upper] = [lowest, highest];
  }
  return sampled(lower, upper, (value) => {
    const level = brightness(shown, toState(value));
    return presentation ? through(presentation, level) : level;
  });
}

export function areaOfState(state: PresentationStateObject, frame: Frame): Area | null {
  const [item] = forFrame(state, '0070005A', frame);
  const first = numbers(item, '00700052');
  const last = numbers(item, '00700053');
  if (first?.length !== 2 || last?.length !== 2) return null;
  const columns = [first[0] ?? 1, last[0] ?? 1];
  const rows = [first[1] ?? 1, last[1] ?? 1];
  return {
    left: Math.min(...columns),
    right: Math.max(...columns),
    top: Math.min(...rows),
    bottom: Math.max(...rows),
    mode: text(item, '00700100').toUpperCase(),
    magnification: number(item, '00700103') ?? 1,
  };
}

const CSS_PIXELS_PER_MM = 96 / 25.4;

/** Where the image stands so that a displayed area is seen as it says (C.10.4). */
export function presentationOfArea(
  area: Area | null,
  orientation: Orientation,
  geometry: Geometry,
  viewport: Size,
): Presentation {
  if (!area) return { orientation, zoom: 1, center: [0.5, 0.5] };
  const columns = area.right - area.left + 1;
  const rows = area.bottom - area.top + 1;
  const center: Point2 = [
    (area.left - 1 + columns / 2) / geometry.columns,
    (area.top - 1 + rows / 2) / geometry.rows,
  ];
  const whole = fitScale(geometry, orientation, viewport);
  let zoom = fitScale({ ...geometry, columns, rows }, orientation, viewport) / whole;
  if (area.mode === 'MAGNIFY') zoom = zoomForPixelSize(geometry, orientation, viewport, area.magnification);
  else if (area.mode === 'TRUE SIZE') zoom = CSS_PIXELS_PER_MM / whole;
  return { orientation, zoom, center };
}

/** The part of the image that a viewport shows, without what lies beyond its edges. */
export function shownArea(
  geometry: Geometry,
  presentation: Presentation,
  viewport: Size,
): Omit<Area, 'mode' | 'magnification'> {
  const corners = [
    canvasToImage(geometry, presentation, viewport, [0, 0]),
    canvasToImage(geometry, presentation, viewport, [viewport.width, viewport.height]),
  ];
  const columns = corners.map(([column]) => column);
  const rows = corners.map(([, row]) => row);
  const first = (values: number[], count: number): number =>
    Math.min(count, Math.max(1, Math.round(Math.min(...values) + 0.5) + 1));
  const last = (values: number[], count: number): number =>
    Math.max(1, Math.min(count, Math.round(Math.max(...values) + 0.5)));
  return {
    left: first(columns, geometry.columns),
    right: last(columns, geometry.columns),
    top: first(rows, geometry.rows),
    bottom: last(rows, geometry.rows),
  };
}

const WHITE: Rgb = [255, 255, 255];

interface Layer {
  order: number;
  colour: Rgb;
}

function layersOf(dataset: DicomJson): Map<string, Layer> {
  const layers = new Map<string, Layer>();
  for (const item of items(dataset, '00700060')) {
    const grey = number(item, '00700066');
    const level = Math.min(255, (grey ?? 0xff_ff) >> 8);
    layers.set(text(item, '00700002'), {
      order: number(item, '00700062') ?? 0,
      colour: rgbFromCielab(numbers(item, '00700401') ?? []) ?? [level, level, level],
    });
  }
  return layers;
}

const pairs = (flat: number[]): Point2[] =>
  Array.from({ length: flat.length >> 1 }, (_, index): Point2 => [
    flat[2 * index] ?? 0,
    flat[2 * index + 1] ?? 0,
  ]);

const pointOf = (item: DicomJson, tag: string): Point2 | null => {
  const found = numbers(item, tag);
  return found?.length === 2 ? [found[0] ?? 0, found[1] ?? 0] : null;
};

const KINDS = new Set(['POINT', 'POLYLINE', 'INTERPOLATED', 'CIRCLE', 'ELLIPSE']);

/** What is drawn on a frame, the lowest layer first. */
export function graphicsOfState(state: PresentationStateObject, frame: Frame): (Graphic | GraphicText)[] {
  const layers = layersOf(state.dataset);
  const found: { order: number; object: Graphic | GraphicText }[] = [];
  for (const annotation of forFrame(state, '00700001', frame)) {
    const layer = layers.get(text(annotation, '00700002')) ?? { order: 0, colour: WHITE };
    for (const item of items(annotation, '00700009')) {
      const kind = text(item, '00700023').toUpperCase();
      const points = pairs(numbers(item, '00700022') ?? []);
      if (!KINDS.has(kind) || points.length === 0) continue;
      const object: Graphic = {
        kind: kind as Graphic['kind'],
        units: unitsOf(text(item, '00700005')),
        points,
        isFilled: text(item, '00700024') === 'Y',
        colour: layer.colour,
      };
      found.push({ order: layer.order, object });
    }
    for (const item of items(annotation, '00700008')) {
      const [first, last, anchor] = ['00700010', '00700011', '00700014'].map((tag) => pointOf(item, tag));
      const words = texts(item, '00700006').join('\\');
      if (!words || ((!first || !last) && !anchor)) continue;
      const object: GraphicText = {
        text: words,
        box: first && last ? [first, last] : null,
        boxUnits: unitsOf(text(item, '00700003')),
        anchor: anchor ?? null,
        anchorUnits: unitsOf(text(item, '00700004')),
        hasLine: text(item, '00700015') === 'Y',
        colour: layer.colour,
      };
      found.push({ order: layer.order, object });
    }
  }
  return found.sort((a, b) => a.order - b.order).map(({ object }) => object);
}

export const isText = (object: Graphic | GraphicText): object is GraphicText => 'text' in object;

/** A DISPLAY point on the canvas: a share of the displayed area as it was put there. */
export function displayToCanvas(
  area: Area | null,
  presentation: Presentation,
  geometry: Geometry,
  viewport: Size,
  [x, y]: Point2,
): Point2 {
  const columns = area ? area.right - area.left + 1 : geometry.columns;
  const rows = area ? area.bottom - area.top + 1 : geometry.rows;
  const scale = scaleOf(geometry, presentation, viewport);
  const isTurned = Math.abs(presentation.orientation[0]) < 0.5;
  const width = (isTurned ? rows * geometry.rowSpacing : columns * geometry.columnSpacing) * scale;
  const height = (isTurned ? columns * geometry.columnSpacing : rows * geometry.rowSpacing) * scale;
  return [(viewport.width - width) / 2 + x * width, (viewport.height - height) / 2 + y * height];
}

/** The shutter of a state for a frame: XA/XRF states have one for each range of frames (C.11.20). */
export function shutterOfState(state: PresentationStateObject, frame: Frame): Shutter | null {
  const [item] = forFrame(state, '00189472', frame);
  return item ? readShutter({ '00181622': state.dataset['00181622'], ...item }) : state.shutter;
}
