import { describe, expect, it } from 'vitest';
import type { Point2 } from '../../data/vectors';
import { chartCsv, chartOf, fullestOf, histogramOf, lineProfile } from './charts';
import type { Annotation, MarkKind } from './model';

const SIDE = 20;
/** Columns 0 to 9 hold their number, the others 100. */
const data = Int16Array.from({ length: SIDE * SIDE }, (_, at) => (at % SIDE < 10 ? at % SIDE : 100));
const HU = { columns: SIDE, rows: SIDE, data, unit: 'HU', factor: 1 };
const SUV = { ...HU, unit: 'SUVbw', factor: 0.01 };
const HALF_MM = { columnMm: 0.5, rowMm: 2, source: 'patient' } as const;

const mark = (kind: MarkKind, points: Point2[]): Annotation => ({
  uid: '2.25.1',
  kind,
  seriesInstanceUid: '1.2',
  sopInstanceUid: '1.2.3',
  frameNumber: 1,
  points,
  controls: null,
  label: '=lesion',
  isHidden: false,
  textAt: null,
  values: [],
  spacing: HALF_MM,
  knownMm: null,
});

const corners: Point2[] = [
  [0, 0],
  [12, 0],
  [12, 4],
  [0, 4],
];

describe('histograms', () => {
  it('counts every pixel of an area once, in bins of a round width', () => {
    const chart = chartOf(mark('rectangle', corners), 1, HU);
    if (chart?.kind !== 'histogram') throw new Error('no histogram');
    expect(chart.width).toBe(2);
    expect(chart.bins).toHaveLength(51);
    // Four rows of two columns each.
    expect(chart.bins.filter(({ count }) => count > 0)).toEqual(
      [0, 2, 4, 6, 8, 100].map((from) => ({ from, to: from + 2, count: 8 })),
    );
    expect([chart.count, chart.minimum, chart.maximum]).toEqual([48, 0, 100]);
    expect(fullestOf(chart)).toEqual({ from: 0, to: 2, count: 8 });
  });

  it('has no bin narrower than 1 for whole values, and finer ones for fractions', () => {
    expect(histogramOf([1, 2, 2, 3], '')?.bins).toEqual([
      { from: 1, to: 2, count: 1 },
      { from: 2, to: 3, count: 2 },
      { from: 3, to: 4, count: 1 },
    ]);
    const chart = chartOf(mark('rectangle', corners), 1, SUV);
    if (chart?.kind !== 'histogram') throw new Error('no histogram');
    expect([chart.unit, chart.width]).toEqual(['SUVbw', 0.02]);
    expect(chart.bins.map(({ from }) => from).slice(0, 4)).toEqual([0, 0.02, 0.04, 0.06]);
    expect(chart.bins.map(({ count }) => count).reduce((sum, count) => sum + count, 0)).toBe(48);
    expect(chart.bins.at(-1)).toEqual({ from: 1, to: 1.02, count: 8 });
  });

  it('puts one value alone into one bin, also when it is negative or 0', () => {
    expect(histogramOf([-1000, -1000], 'HU')?.bins).toEqual([{ from: -1000, to: -999, count: 2 }]);
    expect(histogramOf([0], '')?.bins).toEqual([{ from: 0, to: 1, count: 1 }]);
    expect(histogramOf([-2.5], '')?.bins).toEqual([{ from: -2.5, to: 0, count: 1 }]);
    expect(histogramOf([], 'HU')).toBeNull();
  });
});

describe('profiles', () => {
  it('has the value of each pixel at its distance in millimetres', () => {
    const profile = lineProfile([0.5, 3.5], [12.5, 3.5], HALF_MM, HU);
    expect(profile?.points).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 100, 100].map((value, at) => ({ distance: at * 0.5, value })),
    );
    expect(profile).toMatchObject({ length: 6, distanceUnit: 'mm', minimum: 0, maximum: 100 });
  });

  it('measures rows by their own spacing, and pixels where there are no millimetres', () => {
    expect(lineProfile([0.5, 0.5], [0.5, 4.5], HALF_MM, HU)?.length).toBe(8);
    expect(lineProfile([0.5, 0.5], [3.5, 4.5], null, HU)).toMatchObject({ length: 5, distanceUnit: 'px' });
  });

  it('leaves out what lies outside of the image, and keeps its distance', () => {
    const profile = lineProfile([-1.5, 0.5], [1.5, 0.5], null, HU);
    expect(profile?.points).toEqual([
      { distance: 2, value: 0 },
      { distance: 3, value: 1 },
    ]);
    expect(lineProfile([-9, 0.5], [-5, 0.5], null, HU)).toBeNull();
  });
});

it('writes bins and profiles as CSV, and no formula', () => {
  const rectangle = mark('rectangle', corners);
  const chart = chartOf(rectangle, 1, HU);
  const lines = chart ? chartCsv(rectangle, chart).split('\r\n') : [];
  expect(lines[0]).toBe('tracking_uid,label,sop_instance_uid,frame_number,from,to,count,unit');
  expect(lines[1]).toBe("2.25.1,'=lesion,1.2.3,1,0,2,8,HU");
  expect(lines).toHaveLength(53);
  const line = mark('length', [
    [0.5, 0.5],
    [1.5, 0.5],
  ]);
  const profile = chartOf(line, 1, HU);
  expect(profile && chartCsv(line, profile)).toBe(
    'tracking_uid,label,sop_instance_uid,frame_number,distance,distance_unit,value,unit\r\n' +
      "2.25.1,'=lesion,1.2.3,1,0,mm,0,HU\r\n2.25.1,'=lesion,1.2.3,1,0.5,mm,1,HU\r\n",
  );
});

it('draws nothing of what has neither an area nor a length', () => {
  expect(chartOf(mark('angle', corners.slice(0, 3)), 1, HU)).toBeNull();
  expect(chartOf(mark('probe', corners.slice(0, 1)), 1, HU)).toBeNull();
});
