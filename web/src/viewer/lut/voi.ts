/**
 * VOI functions (PS3.3 C.11.2): from modality values to brightness, 0 black and 1 white.
 *
 * Cornerstone knows LINEAR and a sampled sigmoid but no VOI LUT Sequence; all four are computed here and handed to it as
 * the nodes of a transfer function.
 */
import { type DicomJson, items, number, numbers, texts } from '../data/dicomJson';
import { type Frame, lookup } from '../data/frames';
import { type LookupTable, readTable } from './tables';

export type WindowShape = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';

export interface WindowVoi {
  kind: 'window';
  shape: WindowShape;
  center: number;
  width: number;
  explanation: string;
}
export interface TableVoi {
  kind: 'table';
  table: LookupTable;
  explanation: string;
}
export type Voi = WindowVoi | TableVoi;

export interface Range {
  lower: number;
  upper: number;
}

function shapeOf(dataset: DicomJson | undefined): WindowShape {
  const [stated] = texts(dataset, '00281056');
  return stated === 'LINEAR_EXACT' || stated === 'SIGMOID' ? stated : 'LINEAR';
}

/** Widths a window of this shape can have: LINEAR needs at least 1, the others more than 0. */
const isValidWidth = (shape: WindowShape, width: number): boolean =>
  shape === 'LINEAR' ? width >= 1 : width > 0;

/** The image's own VOI functions, its default first. Tables go before windows (PS3.3 C.11.2.1.1 leaves the choice). */
export function ownVois(frame: Frame): Voi[] {
  // The input is what the modality transformation gives, which may be negative where the pixels are not (C.11.2.1.1).
  const canBeNegative =
    (frame.instance.pixels?.isSigned ?? false) || (number(lookup(frame, '00281052'), '00281052') ?? 0) < 0;
  const withTables = lookup(frame, '00283010');
  const tables = (withTables ? items(withTables, '00283010') : [])
    .map((item) => readTable(item, canBeNegative))
    .filter((table): table is LookupTable => table !== null)
    .map((table): TableVoi => ({ kind: 'table', table, explanation: table.explanation }));
  const group = lookup(frame, '00281050');
  const centers = numbers(group, '00281050') ?? [];
  const widths = numbers(group, '00281051') ?? [];
  const explanations = texts(group, '00281055');
  const shape = shapeOf(group);
  const windows = centers.flatMap((center, index): WindowVoi[] => {
    const width = widths[index];
    if (width === undefined || !isValidWidth(shape, width)) return [];
    return [{ kind: 'window', shape, center, width, explanation: explanations[index] ?? '' }];
  });
  return [...tables, ...windows];
}

export function brightness(voi: Voi, value: number): number {
  if (voi.kind === 'table') {
    const { table } = voi;
    const index = Math.min(table.entries.length - 1, Math.max(0, Math.round(value) - table.first));
    return Math.min(1, (table.entries[index] ?? 0) / (2 ** table.bitsPerEntry - 1));
  }
  const { center, width, shape } = voi;
  if (shape === 'SIGMOID') return 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (shape === 'LINEAR_EXACT') {
    if (value <= center - width / 2) return 0;
    if (value > center + width / 2) return 1;
    return (value - center) / width + 0.5;
  }
  if (value <= center - 0.5 - (width - 1) / 2) return 0;
  if (value > center - 0.5 + (width - 1) / 2) return 1;
  return (value - (center - 0.5)) / (width - 1) + 0.5;
}

/** Values outside are black or white, or as good as. */
export function rangeOf(voi: Voi): Range {
  if (voi.kind === 'table') {
    return { lower: voi.table.first, upper: voi.table.first + voi.table.entries.length - 1 };
  }
  const { center, width, shape } = voi;
  if (shape === 'SIGMOID') {
    // Brightness 0.002 and 0.998: less than half a grey level of 256 from the ends.
    const half = (width * Math.log(0.998 / 0.002)) / 4;
    return { lower: center - half, upper: center + half };
  }
  if (shape === 'LINEAR_EXACT') return { lower: center - width / 2, upper: center + width / 2 };
  const half = Math.max((width - 1) / 2, 0.001);
  return { lower: center - 0.5 - half, upper: center - 0.5 + half };
}

export interface Node {
  value: number;
  brightness: number;
}

const NODES_OF_CURVE = 256;
const NODES_OF_TABLE_MAX = 1024;

/** Nodes between which the transfer function is straight. */
export function nodesOf(voi: Voi, isInverted: boolean): Node[] {
  const { lower, upper } = rangeOf(voi);
  const shown = (value: number): Node => {
    const plain = brightness(voi, value);
    return { value, brightness: isInverted ? 1 - plain : plain };
  };
  if (voi.kind === 'window' && voi.shape !== 'SIGMOID') {
    return [
      { value: lower, brightness: isInverted ? 1 : 0 },
      { value: upper, brightness: isInverted ? 0 : 1 },
    ];
  }
  const count =
    voi.kind === 'table'
      ? Math.min(NODES_OF_TABLE_MAX, Math.max(2, voi.table.entries.length))
      : NODES_OF_CURVE;
  return Array.from({ length: count }, (_, index) => shown(lower + ((upper - lower) * index) / (count - 1)));
}

/** A straight window over the same values: where dragging starts from when the image has a table. */
export function asWindow(voi: Voi): WindowVoi {
  if (voi.kind === 'window') return voi;
  const { lower, upper } = rangeOf(voi);
  return {
    kind: 'window',
    shape: 'LINEAR',
    center: (lower + upper + 1) / 2,
    width: Math.max(1, upper - lower + 1),
    explanation: '',
  };
}

export function dragged(voi: Voi, deltaCenter: number, deltaWidth: number): WindowVoi {
  const start = asWindow(voi);
  const narrowest = start.shape === 'LINEAR' ? 1 : 0.001;
  return {
    ...start,
    center: start.center + deltaCenter,
    width: Math.max(narrowest, start.width + deltaWidth),
    explanation: '',
  };
}

export function windowOfRange(lower: number, upper: number): WindowVoi {
  return {
    kind: 'window',
    shape: 'LINEAR',
    center: (lower + upper + 1) / 2,
    width: Math.max(1, upper - lower + 1),
    explanation: '',
  };
}

const SAMPLES_MAX = 65_536;

/** A window from the 1st to the 99th percentile of what the frame shows, its padding left out. */
export function automaticWindow(values: ArrayLike<number>, padding: Range | null): WindowVoi {
  const step = Math.max(1, Math.floor(values.length / SAMPLES_MAX));
  const samples: number[] = [];
  for (let index = 0; index < values.length; index += step) {
    const value = values[index] ?? 0;
    if (padding === null || value < padding.lower || value > padding.upper) samples.push(value);
  }
  if (samples.length === 0) return windowOfRange(0, 255);
  samples.sort((a, b) => a - b);
  const at = (share: number): number => samples[Math.round(share * (samples.length - 1))] ?? 0;
  const lower = at(0.01);
  const upper = at(0.99);
  if (upper > lower) return isWholeNumbers(samples) ? windowOfRange(lower, upper) : exactWindow(lower, upper);
  const least = samples[0] ?? 0;
  const most = samples.at(-1) ?? 0;
  return isWholeNumbers(samples)
    ? windowOfRange(least, most)
    : exactWindow(least, most > least ? most : least + 1);
}

const isWholeNumbers = (samples: number[]): boolean => samples.slice(0, 256).every(Number.isInteger);

/** For values such as activity or dose, where a step of one may be the whole image. */
const exactWindow = (lower: number, upper: number): WindowVoi => ({
  kind: 'window',
  shape: 'LINEAR_EXACT',
  center: (lower + upper) / 2,
  width: upper - lower,
  explanation: '',
});

/** Full range of 8-bit colour, shown as it is. */
export const COLOUR_VOI: WindowVoi = {
  kind: 'window',
  shape: 'LINEAR',
  center: 128,
  width: 256,
  explanation: '',
};
