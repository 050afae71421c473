/**
 * What a mark measures. One function for the screen, the panel, the CSV file and the report, on modality values and in
 * millimetres only where the data or the reader say what a millimetre is.
 */
import { items, number } from '../../data/dicomJson';
import { type Frame, frameText } from '../../data/frames';
import type { Point2 } from '../../data/vectors';
import { AREA_KINDS, type Annotation, type MarkKind, type MeasuredValue, type Spacing } from './model';
import { suvFactor } from './suv';

/** Values of one frame after the Modality LUT. */
export interface Values {
  columns: number;
  rows: number;
  data: ArrayLike<number>;
  unit: string;
  /** From modality values to `unit`. */
  factor: number;
}

const CENTIMETRES = 3;

/** The calibrated region that holds all the points (PS3.3 C.8.5.5); null when none does. */
export function regionSpacing(frame: Frame, points: readonly Point2[]): Spacing | null {
  for (const region of items(frame.instance.dataset, '00186011')) {
    if (number(region, '00186024') !== CENTIMETRES || number(region, '00186026') !== CENTIMETRES) continue;
    const [x0, y0] = [number(region, '00186018') ?? 0, number(region, '0018601A') ?? 0];
    const [x1, y1] = [number(region, '0018601C') ?? 0, number(region, '0018601E') ?? 0];
    // Locations are of whole pixels; the last one belongs to the region.
    if (!points.every(([x, y]) => x >= x0 && x <= x1 + 1 && y >= y0 && y <= y1 + 1)) continue;
    const columnMm = Math.abs(number(region, '0018602C') ?? 0) * 10;
    const rowMm = Math.abs(number(region, '0018602E') ?? 0) * 10;
    if (columnMm > 0 && rowMm > 0) return { columnMm, rowMm, source: 'ultrasound' };
  }
  return null;
}

/** What a pixel measures where the points are, and how that is known. A calibration by hand goes first. */
export function spacingAt(
  frame: Frame,
  points: readonly Point2[],
  manual: Spacing | null = null,
): Spacing | null {
  if (manual) return manual;
  const { rowSpacing, columnSpacing, spacingSource } = frame.plane;
  const region = regionSpacing(frame, points);
  if (region) return region;
  if (spacingSource === 'patient' || spacingSource === 'detector')
    return { columnMm: columnSpacing, rowMm: rowSpacing, source: spacingSource };
  return null;
}

/** What a calibration says of a pixel: square ones of the size that gives the line its known length. */
export function manualSpacing(frame: Frame, calibration: Annotation): Spacing | null {
  const [from, to] = calibration.points;
  if (!from || !to || !calibration.knownMm) return null;
  const { columnSpacing, rowSpacing } = frame.plane;
  // The pixel's shape is kept where it is known.
  const [width, height] = [1, rowSpacing / columnSpacing];
  const size = Math.hypot((to[0] - from[0]) * width, (to[1] - from[1]) * height);
  if (size === 0) return null;
  const factor = calibration.knownMm / size;
  return { columnMm: width * factor, rowMm: height * factor, source: 'manual' };
}

/** The unit of the frame's modality values, and the factor that turns them into it. */
export function unitOf(frame: Frame): { unit: string; factor: number } {
  const { modality } = frame.instance;
  if (modality === 'PT') return suvFactor(frame);
  const type = frameText(frame, '00281054');
  if (modality === 'CT' && (type === '' || type === 'HU')) return { unit: 'HU', factor: 1 };
  return { unit: type === 'US' ? '' : type, factor: 1 };
}

interface Area {
  columns: [number, number];
  rows: [number, number];
  holds: (column: number, row: number) => boolean;
  /** In square pixels. */
  size: number;
}

function boundsOf(points: readonly Point2[]): Pick<Area, 'columns' | 'rows'> {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return { columns: [Math.min(...xs), Math.max(...xs)], rows: [Math.min(...ys), Math.max(...ys)] };
}

function ellipseArea(center: Point2, u: Point2, v: Point2): Area {
  const determinant = u[0] * v[1] - u[1] * v[0];
  const reach: Point2 = [Math.hypot(u[0], v[0]), Math.hypot(u[1], v[1])];
  return {
    columns: [center[0] - reach[0], center[0] + reach[0]],
    rows: [center[1] - reach[1], center[1] + reach[1]],
    holds: (column, row) => {
      const [x, y] = [column - center[0], row - center[1]];
      const s = (x * v[1] - y * v[0]) / determinant;
      const t = (u[0] * y - u[1] * x) / determinant;
      return s * s + t * t <= 1;
    },
    size: Math.PI * Math.abs(determinant),
  };
}

function polygonArea(points: readonly Point2[]): Area {
  let twice = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length] as Point2;
    twice += x * nextY - nextX * y;
  });
  return {
    ...boundsOf(points),
    holds: (column, row) => {
      let isInside = false;
      points.forEach(([x, y], index) => {
        const [nextX, nextY] = points[(index + 1) % points.length] as Point2;
        if (y > row !== nextY > row && column < ((nextX - x) * (row - y)) / (nextY - y) + x)
          isInside = !isInside;
      });
      return isInside;
    },
    size: Math.abs(twice) / 2,
  };
}

/** The area a mark encloses; `aspect` is the height of a pixel in its widths, as it is drawn. */
export function areaOf(kind: MarkKind, points: readonly Point2[], aspect: number): Area | null {
  if (!AREA_KINDS.has(kind) || points.length < 2) return null;
  if (kind === 'ellipse') {
    const [a, b, c, d] = points;
    if (!a || !b || !c || !d) return null;
    const center: Point2 = [(a[0] + b[0] + c[0] + d[0]) / 4, (a[1] + b[1] + c[1] + d[1]) / 4];
    return ellipseArea(
      center,
      [(b[0] - a[0]) / 2, (b[1] - a[1]) / 2],
      [(d[0] - c[0]) / 2, (d[1] - c[1]) / 2],
    );
  }
  if (kind === 'circle') {
    const [center, edge] = points as [Point2, Point2];
    const radius = Math.hypot(edge[0] - center[0], (edge[1] - center[1]) * aspect);
    return ellipseArea(center, [radius, 0], [0, radius / aspect]);
  }
  return points.length < 3 ? null : polygonArea(points);
}

/** The modality values of the pixels whose centre lies in the area, in the unit of `values`. */
export function valuesWithin(area: Area, { columns, rows, data, factor }: Values): number[] {
  const found: number[] = [];
  const lastRow = Math.min(rows - 1, Math.floor(area.rows[1]));
  const lastColumn = Math.min(columns - 1, Math.floor(area.columns[1]));
  for (let row = Math.max(0, Math.floor(area.rows[0])); row <= lastRow; row += 1) {
    for (let column = Math.max(0, Math.floor(area.columns[0])); column <= lastColumn; column += 1) {
      if (area.holds(column + 0.5, row + 0.5)) found.push((data[row * columns + column] ?? 0) * factor);
    }
  }
  return found;
}

export interface Statistics {
  count: number;
  mean: number;
  standardDeviation: number;
  minimum: number;
  maximum: number;
}

/** The standard deviation is that of the pixels themselves, divided by their count. */
export function statisticsOf(values: readonly number[]): Statistics | null {
  if (values.length === 0) return null;
  let [sum, minimum, maximum] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    sum += value;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return {
    count: values.length,
    mean,
    standardDeviation: Math.sqrt(squares / values.length),
    minimum,
    maximum,
  };
}

/** The values along a line, at steps of at most one pixel, each from the pixel it falls into. */
export function profileOf(from: Point2, to: Point2, { columns, rows, data, factor }: Values): number[] {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
  return Array.from({ length: steps + 1 }, (_, index) => {
    const share = index / steps;
    const column = Math.floor(from[0] + (to[0] - from[0]) * share);
    const row = Math.floor(from[1] + (to[1] - from[1]) * share);
    const isInside = column >= 0 && row >= 0 && column < columns && row < rows;
    return isInside ? (data[row * columns + column] ?? 0) * factor : Number.NaN;
  });
}

type Vector = readonly [number, number];

function angleBetween(a: Vector, b: Vector): number {
  const cosine = (a[0] * b[0] + a[1] * b[1]) / (Math.hypot(...a) * Math.hypot(...b));
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI;
}

/** What a mark of this kind measures; nothing while it has not all its points. */
export function measure(
  kind: MarkKind,
  points: readonly Point2[],
  aspect: number,
  spacing: Spacing | null,
  values: Values | null,
): MeasuredValue[] {
  const [width, height] = spacing ? [spacing.columnMm, spacing.rowMm] : [1, 1];
  const mm = spacing ? 'mm' : 'px';
  const vector = (from: number, to: number, [x, y]: Vector = [width, height]): Vector => {
    const [a, b] = [points[from] ?? [0, 0], points[to] ?? [0, 0]];
    return [(b[0] - a[0]) * x, (b[1] - a[1]) * y];
  };
  const distance = (from: number, to: number): number => Math.hypot(...vector(from, to));
  // Angles need the pixel's shape only; without any spacing it is as it is drawn.
  const shape: Vector = spacing ? [width, height] : [1, aspect];
  switch (kind) {
    case 'length':
      return points.length < 2 ? [] : [{ name: 'length', value: distance(0, 1), unit: mm }];
    case 'polyline': {
      const lengths = points.slice(1).map((_, index) => distance(index, index + 1));
      if (lengths.length === 0) return [];
      return [{ name: 'length', value: lengths.reduce((sum, each) => sum + each, 0), unit: mm }];
    }
    case 'bidirectional': {
      if (points.length < 4) return [];
      const axes = [distance(0, 1), distance(2, 3)];
      return [
        { name: 'longAxis', value: Math.max(...axes), unit: mm },
        { name: 'shortAxis', value: Math.min(...axes), unit: mm },
      ];
    }
    case 'angle':
      if (points.length < 3) return [];
      return [{ name: 'angle', value: angleBetween(vector(1, 0, shape), vector(1, 2, shape)), unit: '°' }];
    case 'cobb': {
      if (points.length < 4) return [];
      const angle = angleBetween(vector(0, 1, shape), vector(2, 3, shape));
      // The lines have no direction: theirs is the smaller angle.
      return [{ name: 'angle', value: Math.min(angle, 180 - angle), unit: '°' }];
    }
    case 'probe': {
      const [point] = points;
      if (!point || !values) return [];
      const [value] = profileOf(point, point, values);
      return value === undefined || Number.isNaN(value) ? [] : [{ name: 'value', value, unit: values.unit }];
    }
    default:
      break;
  }
  const area = areaOf(kind, points, aspect);
  if (!area) return [];
  const statistics = values && statisticsOf(valuesWithin(area, values));
  return [
    { name: 'area', value: area.size * width * height, unit: `${mm}²` },
    ...(statistics
      ? (['mean', 'standardDeviation', 'minimum', 'maximum'] as const).map((name) => ({
          name,
          value: statistics[name],
          unit: values.unit,
        }))
      : []),
  ];
}

/** Digits that are worth showing: tenths of millimetres and degrees, whole square ones when large. */
export function decimalsOf({ name, value, unit }: MeasuredValue): number {
  const size = Math.abs(value);
  if (unit === 'mm' || unit === 'px' || unit === '°') return 1;
  if (name === 'area') return size < 100 ? 1 : 0;
  if (unit.startsWith('SUV')) return 2;
  return size !== 0 && size < 10 ? 2 : 1;
}
