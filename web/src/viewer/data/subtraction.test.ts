import { expect, test } from 'vitest';
import type { DicomJson } from './dicomJson';
import { type Frame, framesOf, readInstance } from './frames';
import { maskOfFrame, readSubtraction, subtract, windowOfDifferences } from './subtraction';

const cs = (value: string) => ({ vr: 'CS', Value: [value] });
const us = (...values: number[]) => ({ vr: 'US', Value: values });
const sq = (...items: DicomJson[]) => ({ vr: 'SQ', Value: items });

const frames = framesOf(
  readInstance({
    '00080018': { vr: 'UI', Value: ['1.2'] },
    '00280008': { vr: 'IS', Value: [6] },
    '00280010': us(3),
    '00280011': us(4),
  }),
  '/dicomweb',
);
const frame = (number: number): Frame => {
  const found = frames[number - 1];
  if (!found) throw new Error(`no frame ${number}`);
  return found;
};
const grey = { columns: 4, rows: 3 };
const logarithmic = { isLinear: false, bits: 12, modality: null };
const COUNTED = Array.from({ length: 12 }, (_, at) => at * at);

test('an average is taken of the frames that are named, in their range alone', () => {
  const image = {
    '00286100': sq({
      '00286101': cs('AVG_SUB'),
      '00286110': us(1, 2),
      '00286112': us(2),
      '00286102': us(3, 4),
    }),
  };
  expect(readSubtraction(image, frame(4))).toMatchObject({ contrast: [4, 5], mask: [1, 2] });
  expect(readSubtraction(image, frame(5))).toBeNull();
});

test('the mask of a time interval difference moves with the frame, that of a reversed one against it', () => {
  const forwards = { '00286100': sq({ '00286101': cs('TID'), '00286120': us(2) }) };
  expect([2, 3, 6].map((each) => readSubtraction(forwards, frame(each))?.mask)).toEqual([
    undefined,
    [1],
    [4],
  ]);
  const reversed = { '00286100': sq({ '00286101': cs('REV_TID'), '00286102': us(4, 5), '00286120': us(1) }) };
  expect([3, 4, 5].map((each) => readSubtraction(reversed, frame(each))?.mask)).toEqual([
    undefined,
    [3],
    [2],
  ]);
});

test('what is displayed as it is, is not subtracted', () => {
  const range = { '00082142': us(1), '00082143': us(3), '00281090': cs('NAT') };
  const rest = { '00082142': us(4), '00082143': us(6), '00281090': cs('SUB'), '00289478': us(25) };
  const state = {
    '00286100': sq({ '00286101': cs('AVG_SUB'), '00286110': us(1) }),
    '00289505': sq({ '00089458': sq(range, rest) }),
  };
  expect(readSubtraction(state, frame(2))).toBeNull();
  expect(readSubtraction(state, frame(5))).toMatchObject({ mask: [1], maskShareKept: 0.25 });
});

const taken = (subtraction = maskOfFrame(frame(2), 1), moved: [number, number] = [0, 0]) =>
  Array.from(
    subtract(
      (number) => (number === 1 ? COUNTED : COUNTED.map(() => 200)),
      grey,
      subtraction,
      logarithmic,
      moved,
    ),
  );

test('a positive shift moves the mask down and to the left, against all habit', () => {
  const shifts = [{ rows: 1, columns: 2, region: null }];
  const expected = COUNTED.map((_, at) => {
    const row = Math.max(0, Math.floor(at / 4) - 1);
    const column = Math.min(3, (at % 4) + 2);
    return 200 - (row * 4 + column) ** 2;
  });
  expect(taken({ ...maskOfFrame(frame(2), 1), shifts })).toEqual(expected);
  expect(taken(undefined, [1, -2])).toEqual(expected);
});

test('between pixels a mask is linear', () => {
  const half = taken(undefined, [0, 0.5]);
  expect(half.slice(0, 4)).toEqual([200, 199.5, 197.5, 193.5]);
});

test('a region has a shift of its own and the rest none', () => {
  const region: [number, number][] = [
    [1, 1],
    [2, 1],
    [2, 3],
    [1, 3],
  ];
  const found = taken({ ...maskOfFrame(frame(2), 1), shifts: [{ rows: 0, columns: 1, region }] });
  expect(found.slice(0, 4)).toEqual([199, 196, 196, 191]);
});

test('linear values are subtracted as logarithms: half the intensity is the same difference everywhere', () => {
  const linear = { isLinear: true, bits: 12, modality: null };
  const full = [255, 511, 1023, 2047];
  const found = subtract(
    (number) => (number === 1 ? full : full.map((value) => (value + 1) / 2 - 1)),
    { columns: 4, rows: 1 },
    maskOfFrame(frame(2), 1),
    linear,
    [0, 0],
  );
  for (const value of found) expect(value).toBeCloseTo(-4095 / 12, 3);
});

test('the window of differences is about none', () => {
  expect(windowOfDifferences(Float32Array.from({ length: 1001 }, (_, at) => (at - 800) / 10))).toEqual({
    center: 0,
    width: 2 * 79.5,
  });
});
