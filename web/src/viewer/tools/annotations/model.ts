/**
 * A mark on an image, as we keep it: points in the image's own coordinates, in which structured reports write them too
 * (SCOORD, PS3.3 C.18.6): column, row, and 0\0 is the outer corner of the first pixel, so its centre is 0.5\0.5.
 */
import type { Point2 } from '../../data/vectors';

export const MARK_KINDS = [
  'length',
  'bidirectional',
  'angle',
  'cobb',
  'ellipse',
  'circle',
  'rectangle',
  'freehand',
  'spline',
  'livewire',
  'polyline',
  'probe',
  'arrow',
  'calibration',
] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

/** How many points a kind has; null for outlines, which have at least three, and open lines. */
export const POINTS_OF: Record<MarkKind, number | null> = {
  /** Both ends. */
  length: 2,
  /** Both ends of the long axis, then of the short one. */
  bidirectional: 4,
  /** An end, the apex, the other end. */
  angle: 3,
  /** Both ends of one line, then of the other. */
  cobb: 4,
  /** Both ends of one axis, then of the other. */
  ellipse: 4,
  /** The centre and a point of the circle. */
  circle: 2,
  /** The corners, one after the other. */
  rectangle: 4,
  freehand: null,
  spline: null,
  livewire: null,
  /** An open line: two at least. */
  polyline: null,
  probe: 1,
  /** The tip, then the end where the text is. */
  arrow: 2,
  /** Both ends of something whose length is known. */
  calibration: 2,
};

export const AREA_KINDS: ReadonlySet<MarkKind> = new Set<MarkKind>([
  'ellipse',
  'circle',
  'rectangle',
  'freehand',
  'spline',
  'livewire',
]);

/** Where the millimetres come from. */
export const SPACING_SOURCES = ['patient', 'detector', 'ultrasound', 'manual'] as const;
export type SpacingSource = (typeof SPACING_SOURCES)[number];

export interface Spacing {
  columnMm: number;
  rowMm: number;
  source: SpacingSource;
}

export const VALUE_NAMES = [
  'length',
  'longAxis',
  'shortAxis',
  'angle',
  'area',
  'mean',
  'standardDeviation',
  'minimum',
  'maximum',
  'value',
  'other',
] as const;
export type ValueName = (typeof VALUE_NAMES)[number];

export interface MeasuredValue {
  name: ValueName;
  value: number;
  /** What reports of other makers call it, when we have no name for it. */
  meaning?: string;
  /** As the screen writes it: `mm`, `px`, `mm²`, `px²`, `°`, `HU`, `SUVbw`; empty for plain stored values. */
  unit: string;
}

export interface Annotation {
  /** A DICOM UID: it is the Tracking Unique Identifier in reports. */
  uid: string;
  kind: MarkKind;
  seriesInstanceUid: string;
  sopInstanceUid: string;
  /** Counts from 1. */
  frameNumber: number;
  points: Point2[];
  /** What a spline or a livewire outline is pulled by; its outline is in `points`. */
  controls: Point2[] | null;
  /** The reader's name for it; the text of an arrow. */
  label: string;
  isHidden: boolean;
  /** Where the reader has put its text. */
  textAt: Point2 | null;
  values: MeasuredValue[];
  /** Null: there are no millimetres. */
  spacing: Spacing | null;
  /** Of a calibration: what the reader says its length is. */
  knownMm: number | null;
}

/** A new UID under 2.25, from a random UUID (PS3.5 B.2). */
export function newUid(): string {
  const hex = crypto.randomUUID().replaceAll('-', '');
  return `2.25.${BigInt(`0x${hex}`).toString()}`;
}

/** Ramer-Douglas-Peucker: leaves out points that lie within `tolerance` of the line without them. */
export function simplified(points: readonly Point2[], tolerance: number): Point2[] {
  if (points.length < 3) return [...points];
  const isKept = new Array<boolean>(points.length).fill(false);
  isKept[0] = true;
  isKept[points.length - 1] = true;
  const waiting: [number, number][] = [[0, points.length - 1]];
  for (let range = waiting.pop(); range; range = waiting.pop()) {
    const [from, to] = range;
    const [ax, ay] = points[from] as Point2;
    const [bx, by] = points[to] as Point2;
    const size = Math.hypot(bx - ax, by - ay);
    let farthest = 0;
    let at = -1;
    for (let index = from + 1; index < to; index += 1) {
      const [x, y] = points[index] as Point2;
      const distance =
        size === 0
          ? Math.hypot(x - ax, y - ay)
          : Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / size;
      if (distance > farthest) [farthest, at] = [distance, index];
    }
    if (farthest <= tolerance || at < 0) continue;
    isKept[at] = true;
    waiting.push([from, at], [at, to]);
  }
  return points.filter((_, index) => isKept[index]);
}
