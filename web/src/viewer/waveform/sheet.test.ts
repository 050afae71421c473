import { describe, expect, it } from 'vitest';
import { measured, moved } from './calipers';
import { LEADS, leadOf, nameOf, unitOf, type WaveformChannel } from './leads';
import {
  arrange,
  arrangementsFor,
  type Cell,
  cellAt,
  niceBelow,
  timeAt,
  type Trace,
  valueAt,
  xOf,
  yOf,
} from './sheet';

const scale = { pxPerMm: 4, mmPerS: 25 };
const asked = { leads: [...LEADS], chosen: 1, durationS: 10, startS: 0, width: 1100, height: 800, scale };
const trace: Trace = { name: 'II', unit: 'mV', mmPerUnit: 10, centre: 0 };
const nameAt = ({ cells }: { cells: Cell[] }, x: number, y: number): string | undefined =>
  LEADS[cellAt({ cells, width: 0, height: 0, margin: 0, pageS: 0 }, x, y)?.channel ?? -1];

describe('the usual sheet of three rows and a rhythm strip', () => {
  const sheet = arrange({ ...asked, arrangement: '3x4' });

  it('has 2.5 s of each lead, time running on from column to column, and 10 s below', () => {
    expect(sheet.margin).toBe(32);
    expect(sheet.pageS).toBe(10);
    const names = sheet.cells.map(({ channel }) => LEADS[channel]);
    expect(names).toEqual([
      ...['I', 'aVR', 'V1', 'V4'],
      ...['II', 'aVL', 'V2', 'V5'],
      ...['III', 'aVF', 'V3', 'V6'],
      'II',
    ]);
    expect(sheet.cells.slice(0, 4).map(({ fromS, toS }) => [fromS, toS])).toEqual([
      [0, 2.5],
      [2.5, 5],
      [5, 7.5],
      [7.5, 10],
    ]);
    expect(sheet.cells.at(-1)).toMatchObject({ fromS: 0, toS: 10, left: 32, width: 1000, top: 600 });
  });

  it('measures by its millimetres: 25 mm are a second, 10 mm a millivolt', () => {
    const cell = sheet.cells[4];
    if (!cell) throw new Error('no cell');
    expect(xOf(cell, 1, scale) - xOf(cell, 0, scale)).toBe(100);
    expect(yOf(cell, 0, trace, scale) - yOf(cell, 1, trace, scale)).toBe(40);
    expect(timeAt(cell, xOf(cell, 1.234, scale), scale)).toBeCloseTo(1.234);
    expect(valueAt(cell, yOf(cell, -0.45, trace, scale), trace, scale)).toBeCloseTo(-0.45);
  });

  it('finds the lead below a place, also left of the first', () => {
    expect(nameAt(sheet, 5, 10)).toBe('I');
    expect(nameAt(sheet, 300, 210)).toBe('aVL');
    expect(nameAt(sheet, 1090, 410)).toBe('V6');
    expect(nameAt(sheet, 900, 610)).toBe('II');
  });

  it('scrolls to the last page and no further', () => {
    const late = arrange({ ...asked, arrangement: '3x4', durationS: 30, startS: 99 });
    expect(late.cells[0]?.fromS).toBe(20);
    expect(late.cells.at(-1)?.toS).toBe(30);
  });
});

it('shows a median beat whole in each column', () => {
  const { cells } = arrange({ ...asked, arrangement: '3x4', durationS: 1.2 });
  expect(cells.map(({ fromS }) => fromS)).toEqual(cells.map(() => 0));
});

it('has less time on a narrow screen, at the same speed, and stays readable by being taller', () => {
  const { cells, pageS, height, margin } = arrange({
    ...asked,
    arrangement: '6x2',
    width: 390,
    height: 200,
  });
  expect(margin).toBe(8);
  expect(pageS).toBeCloseTo(3.82);
  expect(cells.slice(0, 2).map(({ channel, fromS }) => [LEADS[channel], fromS])).toEqual([
    ['I', 0],
    ['V1', pageS / 2],
  ]);
  expect(height).toBe(6 * 11 * 4);
});

it('offers the sheets of twelve leads only when there are twelve', () => {
  expect(arrangementsFor([...LEADS])).toEqual(['3x4', '6x2', '12x1', 'one']);
  expect(arrangementsFor(['II', null])).toEqual(['12x1', 'one']);
  expect(arrangementsFor([null])).toEqual(['one']);
  const { cells } = arrange({ ...asked, arrangement: '12x1', leads: [null, 'II', 'I', null] });
  expect(cells.map(({ channel }) => channel)).toEqual([2, 1, 0, 3]);
});

it('chooses scales of 1, 2 and 5', () => {
  expect([0.07, 0.3, 1, 4.99, 99].map(niceBelow)).toEqual([0.05, 0.2, 1, 2, 50]);
});

describe('a caliper', () => {
  const caliper = {
    channel: 1,
    from: { timeS: 1, value: 0 },
    to: { timeS: 1.8, value: 1.25 },
    active: 'to' as const,
  };

  it('measures time, rate and difference, whichever end comes first', () => {
    expect(measured(caliper)).toEqual({ ms: 800, bpm: 75, difference: 1.25 });
    expect(measured({ ...caliper, from: caliper.to, to: caliper.from }).bpm).toBe(75);
    expect(measured({ ...caliper, to: caliper.from }).bpm).toBeNull();
  });

  it('is moved by its active end', () => {
    expect(moved(caliper, 0.2, -0.25).to).toEqual({ timeS: 2, value: 1 });
    expect(moved({ ...caliper, active: 'from' }, 0.3, 0).from.timeS).toBeCloseTo(1.3);
  });
});

describe('a channel', () => {
  const channel = (value: string, scheme: string, meaning: string, unit = 'uV'): WaveformChannel =>
    ({ number: 7, label: '', source: { value, scheme, meaning }, unit: { value: unit } }) as WaveformChannel;

  it('is a lead by its code, or by its words', () => {
    expect(leadOf(channel('2:61', 'MDC', 'Lead III'))).toBe('III');
    expect(leadOf(channel('5.6.3-9-3', 'SCPECG', 'Lead V1'))).toBe('V1');
    expect(leadOf(channel('1', '99X', 'aVF, augmented voltage, foot'))).toBe('aVF');
    expect(leadOf(channel('1', '99X', 'Lead I (Einthoven)'))).toBe('I');
    expect(leadOf(channel('2:86', 'MDC', 'Lead ES'))).toBeNull();
    expect(nameOf(channel('X', '99X', 'Left ventricle'))).toBe('Left ventricle');
  });

  it('has the unit that people read', () => {
    expect(unitOf(channel('2:2', 'MDC', 'Lead II'))).toBe('mV');
    expect(unitOf(channel('X', '99X', 'Aorta', 'mm[Hg]'))).toBe('mmHg');
  });
});
