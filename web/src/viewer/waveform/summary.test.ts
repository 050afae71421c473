import { expect, it } from 'vitest';
import type { WaveformAnnotation, WaveformGroup } from './leads';
import { channelsIn, sampleOf, stretchLength } from './samples';
import { filtersOf, measurementsOf, pointsOf, statementsOf } from './summary';
import { tracesOf } from './traces';

const said = (each: Partial<WaveformAnnotation>): WaveformAnnotation => ({
  name: null,
  text: '',
  code: null,
  value: null,
  unit: null,
  channels: [[1, 0]],
  rangeType: '',
  timesS: [],
  groupNumber: 1,
  ...each,
});
const code = (meaning: string, value = meaning) => ({ value, scheme: 'X', meaning });

const annotations = [
  said({ text: 'Sinus rhythm' }),
  said({ name: code('Interpretation'), code: code('Normal ECG') }),
  said({ name: code('QT Interval'), value: 380, unit: code('milliseconds', 'ms') }),
  said({ name: code('QRS Axis'), value: 52, unit: code('degree', 'deg') }),
  said({ name: code('QRS Onset'), timesS: [1, 2], rangeType: 'MULTIPOINT' }),
  said({ name: code('Fiducial Point'), timesS: [0.5], channels: [[2, 0]] }),
];

const channel = (unit: string, filters: [number | null, number | null, number | null]) => ({
  number: 1,
  label: 'II',
  source: null,
  modifiers: [],
  unit: code(unit),
  sensitivity: 1,
  correction: 1,
  baseline: 0,
  skewS: 0,
  filterLowHz: filters[0],
  filterHighHz: filters[1],
  notchHz: filters[2],
  bitsStored: 16,
});
const group: WaveformGroup = {
  number: 1,
  label: 'RHYTHM',
  originality: 'ORIGINAL',
  samplingFrequencyHz: 500,
  numberOfSamples: 3,
  numberOfChannels: 2,
  offsetS: 0,
  triggerS: null,
  channels: [channel('uV', [0.05, 150, 50]), channel('mm[Hg]', [0.05, 150, 50])],
};

it('what the object states is told apart: statements, measurements, points', () => {
  expect(statementsOf(annotations)).toEqual(['Sinus rhythm', 'Interpretation: Normal ECG']);
  expect(measurementsOf(annotations)).toEqual([
    { name: 'QT Interval', value: '380 ms' },
    { name: 'QRS Axis', value: '52°' },
  ]);
  expect(pointsOf(annotations, group).map(({ short, timeS }) => [short, timeS])).toEqual([
    ['QRS<', 1],
    ['QRS<', 2],
  ]);
});

it('filters are said once, and a notch at 0 Hz is none', () => {
  expect(filtersOf(group)).toEqual([{ lowHz: 0.05, highHz: 150, notchHz: 50 }]);
  expect(filtersOf({ ...group, channels: [channel('uV', [null, null, 0])] })).toEqual([]);
});

it('samples come channel after channel, voltages in mV, others in their unit', () => {
  const bytes = Float32Array.from([1000, -500, Number.NaN, 80, 120, 100]).buffer;
  const [lead, pressure] = channelsIn(bytes, group);
  expect(Array.from(lead ?? [])).toEqual([1, -0.5, Number.NaN]);
  expect(Array.from(pressure ?? [])).toEqual([80, 120, 100]);

  const loaded = { length: 3, stretches: new Map([[2, [lead, pressure] as Float32Array[]]]) };
  expect(sampleOf(loaded, 1, 7)).toBe(120);
  expect(sampleOf(loaded, 1, 2)).toBeNaN();

  // 40 mmHg in 80 % of 20 mm: 0.4 mm to the mmHg are more than there is room for, 0.2 are not.
  const [voltage, traced] = tracesOf(group, loaded, 10, 20);
  expect(voltage).toMatchObject({ unit: 'mV', mmPerUnit: 10, centre: 0 });
  expect(traced).toMatchObject({ unit: 'mmHg', mmPerUnit: 0.2, centre: 100 });
});

it('a stretch holds no more than an answer of the server', () => {
  expect(stretchLength(group, 4_000_000)).toBe(131_072);
  expect(stretchLength({ ...group, numberOfChannels: 12 }, 1200)).toBe(100);
});
