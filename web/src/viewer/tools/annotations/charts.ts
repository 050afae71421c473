/** How the values within an area are spread, and how they run along a line: modality values, whatever the window. */
import { bin, tickStep } from 'd3-array';
import { csvOf } from '@/lib/csv';
import type { Point2 } from '../../data/vectors';
import { areaOf, profileOf, statisticsOf, type Values, valuesWithin } from './measure';
import type { Annotation, Spacing } from './model';

/** About as many bars as a panel has room for. */
const BINS_WANTED = 32;

export interface Bin {
  /** The first value that belongs to it. */
  from: number;
  /** The first that does not; of the last bin it does. */
  to: number;
  count: number;
}

export interface Histogram {
  kind: 'histogram';
  unit: string;
  bins: Bin[];
  /** Of one bin. */
  width: number;
  count: number;
  minimum: number;
  maximum: number;
}

export interface Profile {
  kind: 'profile';
  unit: string;
  /** From the first end, in millimetres or pixels; values outside of the image are not here. */
  points: { distance: number; value: number }[];
  distanceUnit: 'mm' | 'px';
  length: number;
  minimum: number;
  maximum: number;
}

export type Chart = Histogram | Profile;

/** Counts values in bins whose width is 1, 2 or 5 times a power of ten; whole values are never cut into parts. */
export function histogramOf(values: readonly number[], unit: string): Histogram | null {
  const found = statisticsOf(values);
  if (!found) return null;
  const { minimum, maximum, count } = found;
  const isWhole = values.every(Number.isInteger);
  const nice = maximum > minimum ? tickStep(minimum, maximum, BINS_WANTED) : isWhole ? 1 : maximum || 1;
  const width = Math.abs(isWhole ? Math.max(1, nice) : nice);
  const first = Math.floor(minimum / width);
  const last = Math.floor(maximum / width);
  // Multiplied, not added up: sums of tenths drift.
  const edges = Array.from({ length: last - first + 2 }, (_, index) =>
    Number(((first + index) * width).toPrecision(12)),
  );
  const [start, end] = [edges[0] ?? minimum, edges.at(-1) ?? maximum];
  const bins = bin<number, number>().domain([start, end]).thresholds(edges.slice(1, -1))([...values]);
  return {
    kind: 'histogram',
    unit,
    bins: bins.map((each) => ({ from: each.x0 ?? start, to: each.x1 ?? end, count: each.length })),
    width,
    count,
    minimum,
    maximum,
  };
}

/** The values along a line, against the distance from its first end. */
export function lineProfile(
  from: Point2,
  to: Point2,
  spacing: Spacing | null,
  values: Values,
): Profile | null {
  const along = profileOf(from, to, values);
  const length = Math.hypot(
    (to[0] - from[0]) * (spacing?.columnMm ?? 1),
    (to[1] - from[1]) * (spacing?.rowMm ?? 1),
  );
  const points = along.flatMap((value, index) =>
    Number.isNaN(value) ? [] : [{ distance: (length * index) / (along.length - 1), value }],
  );
  const found = statisticsOf(points.map(({ value }) => value));
  if (!found) return null;
  const { minimum, maximum } = found;
  const distanceUnit = spacing ? 'mm' : 'px';
  return { kind: 'profile', unit: values.unit, points, distanceUnit, length, minimum, maximum };
}

/** What is drawn of a mark: areas have a histogram, lengths a profile. */
export function chartOf(mark: Annotation, aspect: number, values: Values): Chart | null {
  const { kind, points, spacing } = mark;
  if (kind === 'length') {
    const [from, to] = points;
    return from && to ? lineProfile(from, to, spacing, values) : null;
  }
  const area = areaOf(kind, points, aspect);
  return area && histogramOf(valuesWithin(area, values), values.unit);
}

/** The bin that holds the most; the first of several. */
export function fullestOf({ bins }: Histogram): Bin | null {
  return bins.reduce<Bin | null>((most, each) => (most && most.count >= each.count ? most : each), null);
}

/** A comma-separated file of what is drawn (RFC 4180). */
export function chartCsv({ uid, label, sopInstanceUid, frameNumber }: Annotation, chart: Chart): string {
  const start = [uid, label, sopInstanceUid, frameNumber];
  const head = ['tracking_uid', 'label', 'sop_instance_uid', 'frame_number'];
  return chart.kind === 'histogram'
    ? csvOf(
        [...head, 'from', 'to', 'count', 'unit'],
        chart.bins.map(({ from, to, count }) => [...start, from, to, count, chart.unit]),
      )
    : csvOf(
        [...head, 'distance', 'distance_unit', 'value', 'unit'],
        chart.points.map(({ distance, value }) => [
          ...start,
          distance,
          chart.distanceUnit,
          value,
          chart.unit,
        ]),
      );
}
