import { expect, test } from 'vitest';
import { framesOf, readInstance } from '../data/frames';
import type { DicomJson } from '../data/dicomJson';
import { automaticWindow, brightness, dragged, nodesOf, ownVois, rangeOf, type WindowVoi } from './voi';

const window = (shape: WindowVoi['shape'], center: number, width: number): WindowVoi => ({
  kind: 'window',
  shape,
  center,
  width,
  explanation: '',
});

test('LINEAR follows PS3.3 C.11.2.1.2.1: the worked example of the standard', () => {
  // Window Center 2048, Window Width 4096 maps 0 to black and 4095 to white.
  const full = window('LINEAR', 2048, 4096);
  expect(brightness(full, 0)).toBe(0);
  expect(brightness(full, 4095)).toBe(1);
  expect(brightness(full, 2047.5)).toBeCloseTo(0.5, 12);
  // Center 2048, Width 1: below 2048 black, from 2048 on white.
  const step = window('LINEAR', 2048, 1);
  expect(brightness(step, 2047)).toBe(0);
  expect(brightness(step, 2048)).toBe(1);
});

test('LINEAR_EXACT follows PS3.3 C.11.2.1.3.2', () => {
  const exact = window('LINEAR_EXACT', 2048, 4096);
  expect(brightness(exact, 0)).toBe(0);
  expect(brightness(exact, 2048)).toBe(0.5);
  expect(brightness(exact, 4097)).toBe(1);
  expect(brightness(window('LINEAR_EXACT', 0.5, 0.1), 0.525)).toBeCloseTo(0.75, 12);
});

test('SIGMOID follows PS3.3 C.11.2.1.3.1', () => {
  const sigmoid = window('SIGMOID', 40, 400);
  expect(brightness(sigmoid, 40)).toBe(0.5);
  expect(brightness(sigmoid, 240)).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  const { lower, upper } = rangeOf(sigmoid);
  expect(brightness(sigmoid, lower)).toBeCloseTo(0.002, 6);
  expect(brightness(sigmoid, upper)).toBeCloseTo(0.998, 6);
});

test('a table maps what lies outside to its ends', () => {
  const table = { first: 100, bitsPerEntry: 8, entries: Uint8Array.from([0, 51, 255]), explanation: '' };
  const voi = { kind: 'table', table, explanation: '' } as const;
  expect([0, 100, 101, 102, 5000].map((value) => brightness(voi, value))).toEqual([0, 0, 0.2, 1, 1]);
});

test('nodes of a straight window are its ends, inverted or not', () => {
  const nodes = nodesOf(window('LINEAR', 50, 101), false);
  expect(nodes).toEqual([
    { value: -0.5, brightness: 0 },
    { value: 99.5, brightness: 1 },
  ]);
  expect(nodesOf(window('LINEAR', 50, 101), true).map((node) => node.brightness)).toEqual([1, 0]);
});

test('nodes of a long table are as many as a texture has', () => {
  const entries = Uint16Array.from({ length: 65_536 }, (_, index) => index);
  const nodes = nodesOf(
    { kind: 'table', table: { first: 0, bitsPerEntry: 16, entries, explanation: '' }, explanation: '' },
    false,
  );
  expect(nodes).toHaveLength(1024);
  expect(nodes[0]).toEqual({ value: 0, brightness: 0 });
  expect(nodes.at(-1)).toEqual({ value: 65_535, brightness: 1 });
});

const frameOf = (extra: DicomJson) => {
  const instance = readInstance({
    '00280010': { vr: 'US', Value: [4] },
    '00280011': { vr: 'US', Value: [4] },
    '00280103': { vr: 'US', Value: [1] },
    ...extra,
  });
  const [frame] = framesOf(instance, '/dicomweb');
  if (!frame) throw new Error('no frame');
  return frame;
};

test('the image offers its windows with their names', () => {
  const frame = frameOf({
    '00281050': { vr: 'DS', Value: [40, -600] },
    '00281051': { vr: 'DS', Value: [400, 1500] },
    '00281055': { vr: 'LO', Value: ['SOFT', 'LUNG'] },
  });
  expect(ownVois(frame)).toEqual([
    { kind: 'window', shape: 'LINEAR', center: 40, width: 400, explanation: 'SOFT' },
    { kind: 'window', shape: 'LINEAR', center: -600, width: 1500, explanation: 'LUNG' },
  ]);
});

test('a window that no image can have is left out', () => {
  const frame = frameOf({ '00281050': { vr: 'DS', Value: [40] }, '00281051': { vr: 'DS', Value: [0] } });
  expect(ownVois(frame)).toEqual([]);
});

test('a VOI LUT Sequence goes before the windows, and its first value is signed with the pixels', () => {
  const frame = frameOf({
    '00283010': {
      vr: 'SQ',
      Value: [
        {
          '00283002': { vr: 'SS', Value: [3, 65_535, 12] },
          '00283003': { vr: 'LO', Value: ['STANDARD'] },
          '00283006': { vr: 'US', Value: [0, 2000, 4095] },
        },
      ],
    },
    '00281050': { vr: 'DS', Value: [40] },
    '00281051': { vr: 'DS', Value: [400] },
  });
  const [table, straight] = ownVois(frame);
  expect(table).toMatchObject({
    kind: 'table',
    explanation: 'STANDARD',
    table: { first: -1, bitsPerEntry: 12 },
  });
  expect(straight).toMatchObject({ kind: 'window', center: 40 });
});

test('the per-frame window wins over the one of the instance', () => {
  const frame = frameOf({
    '00281050': { vr: 'DS', Value: [40] },
    '00281051': { vr: 'DS', Value: [400] },
    '52009230': {
      vr: 'SQ',
      Value: [
        {
          '00289132': {
            vr: 'SQ',
            Value: [{ '00281050': { vr: 'DS', Value: [7] }, '00281051': { vr: 'DS', Value: [70] } }],
          },
        },
      ],
    },
  });
  expect(ownVois(frame)).toMatchObject([{ center: 7, width: 70 }]);
});

test('dragging never makes a window narrower than its function allows', () => {
  expect(dragged(window('LINEAR', 40, 400), 5, -1000)).toMatchObject({ center: 45, width: 1 });
  expect(dragged(window('SIGMOID', 40, 400), 0, 10)).toMatchObject({ shape: 'SIGMOID', width: 410 });
});

test('the automatic window leaves padding out', () => {
  const values = Int16Array.from({ length: 1000 }, (_, index) => (index < 500 ? -2000 : index));
  const { lower, upper } = rangeOf(automaticWindow(values, { lower: -2000, upper: -2000 }));
  expect(lower).toBeGreaterThan(490);
  expect(upper).toBeLessThan(1000);
});

test('the automatic window of small fractions is not rounded up to whole numbers', () => {
  const values = Float32Array.from({ length: 100 }, (_, index) => index / 10_000);
  expect(automaticWindow(values, null).width).toBeLessThan(0.011);
});

test('an image of one value has a window around it', () => {
  expect(automaticWindow(new Int16Array(16).fill(7), null).width).toBeGreaterThanOrEqual(1);
});
