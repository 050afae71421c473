/** Where the leads lie on the paper, in CSS pixels, and what a place on it stands for. */
import { type Lead, LEADS } from './leads';

export const ARRANGEMENTS = ['3x4', '6x2', '12x1', 'one'] as const;
export type Arrangement = (typeof ARRANGEMENTS)[number];

export const SPEEDS = [12.5, 25, 50] as const;
export const GAINS = [5, 10, 20] as const;
/** Slower there is nothing to see, faster nothing but single samples. */
export const SPEED_MIN = 5;
export const SPEED_MAX = 500;

export interface Scale {
  pxPerMm: number;
  mmPerS: number;
}

/** How a channel is drawn: its own mm to the unit, and the value that lies on the middle of its row. */
export interface Trace {
  name: string;
  unit: string;
  mmPerUnit: number;
  centre: number;
}

/** One lead over one stretch of time. */
export interface Cell {
  channel: number;
  left: number;
  width: number;
  top: number;
  height: number;
  fromS: number;
  toS: number;
}

export interface Sheet {
  cells: Cell[];
  width: number;
  height: number;
  /** Left of it stands the calibration pulse. */
  margin: number;
  /** The time that the sheet covers. */
  pageS: number;
}

interface Asked {
  arrangement: Arrangement;
  /** The lead of each channel; null for what is none of the twelve. */
  leads: readonly (Lead | null)[];
  /** The channel that is shown when it is one, and below the columns of three. */
  chosen: number;
  durationS: number;
  startS: number;
  width: number;
  height: number;
  scale: Scale;
}

/** A row that is lower can no longer be told from its neighbours; then the sheet is taller than the viewport. */
const ROW_MIN_MM = 11;
const MARGIN_MM = 8;
const NARROW_MARGIN_MM = 2;
const NARROW_PX = 480;
/** A sheet with columns covers what paper does: 10 s. */
const PAGE_S = 10;

export const hasTwelveLeads = (leads: readonly (Lead | null)[]): boolean =>
  LEADS.every((lead) => leads.includes(lead));

/** The arrangements that there are leads for. */
export const arrangementsFor = (leads: readonly (Lead | null)[]): Arrangement[] =>
  hasTwelveLeads(leads) ? [...ARRANGEMENTS] : leads.length > 1 ? ['12x1', 'one'] : ['one'];

function rowsOf(arrangement: Arrangement, leads: readonly (Lead | null)[], chosen: number): number[][] {
  const at = (lead: Lead): number => leads.indexOf(lead);
  const columns = (count: number): number[][] =>
    Array.from({ length: count }, (_, row) => LEADS.filter((_lead, n) => n % count === row).map(at));
  if (arrangement === 'one') return [[chosen]];
  if (arrangement === '12x1') {
    const known = LEADS.map(at).filter((channel) => channel >= 0);
    const others = leads.map((_lead, channel) => channel).filter((channel) => !known.includes(channel));
    return [...known, ...others].map((each) => [each]);
  }
  return arrangement === '3x4' ? [...columns(3), [chosen]] : columns(6);
}

export function arrange({ arrangement, leads, chosen, durationS, startS, ...asked }: Asked): Sheet {
  const { width, scale } = asked;
  const rows = rowsOf(arrangement, leads, chosen);
  const columns = Math.max(...rows.map((row) => row.length));
  const margin = (width < NARROW_PX ? NARROW_MARGIN_MM : MARGIN_MM) * scale.pxPerMm;
  const pxPerS = scale.pxPerMm * scale.mmPerS;
  const room = Math.max(1, width - margin) / pxPerS / columns;
  const columnS = columns > 1 ? Math.min(PAGE_S / columns, room) : room;
  // Time runs on from column to column; a median beat stands whole in each.
  const isContinuing = columns > 1 && durationS > columnS;
  const pageS = isContinuing ? columnS * columns : columnS;
  const height = Math.max(asked.height / rows.length, ROW_MIN_MM * scale.pxPerMm);
  const start = Math.min(Math.max(0, startS), Math.max(0, durationS - pageS));
  const cells = rows.flatMap((row, down) =>
    row.map((channel, across): Cell => {
      const spanS = row.length === columns ? columnS : columnS * columns;
      const fromS = start + (isContinuing ? across * spanS : 0);
      return {
        channel,
        left: margin + across * spanS * pxPerS,
        width: spanS * pxPerS,
        top: down * height,
        height,
        fromS,
        toS: fromS + spanS,
      };
    }),
  );
  return { cells, width, height: height * rows.length, margin, pageS };
}

export const xOf = (cell: Cell, timeS: number, { pxPerMm, mmPerS }: Scale): number =>
  cell.left + (timeS - cell.fromS) * pxPerMm * mmPerS;

export const timeAt = (cell: Cell, x: number, { pxPerMm, mmPerS }: Scale): number =>
  cell.fromS + (x - cell.left) / (pxPerMm * mmPerS);

export const yOf = (cell: Cell, value: number, { mmPerUnit, centre }: Trace, { pxPerMm }: Scale): number =>
  cell.top + cell.height / 2 - (value - centre) * mmPerUnit * pxPerMm;

export const valueAt = (cell: Cell, y: number, { mmPerUnit, centre }: Trace, { pxPerMm }: Scale): number =>
  centre + (cell.top + cell.height / 2 - y) / (mmPerUnit * pxPerMm);

/** The cell below a place; in the margins the one beside it. */
export function cellAt(sheet: Sheet, x: number, y: number): Cell | undefined {
  const row = sheet.cells.filter((cell) => y >= cell.top && y < cell.top + cell.height);
  return row.find((cell) => x < cell.left + cell.width) ?? row.at(-1);
}

/** 1, 2 or 5 times a power of ten. */
export function niceBelow(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([5, 2, 1].find((each) => each * power <= value * (1 + 1e-9)) ?? 1) * power;
}
