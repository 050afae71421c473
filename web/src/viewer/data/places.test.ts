import { expect, test } from 'vitest';
import type { Geometry } from './orientation';
import { crossing, distanceTo, worldToImage } from './places';

const AXIAL: Geometry = {
  columns: 64,
  rows: 48,
  columnSpacing: 1,
  rowSpacing: 1,
  rowDirection: [1, 0, 0],
  columnDirection: [0, 1, 0],
  position: [-31, -24, -20],
};
const SAGITTAL: Geometry = {
  columns: 48,
  rows: 64,
  columnSpacing: 1,
  rowSpacing: 1,
  rowDirection: [0, 1, 0],
  columnDirection: [0, 0, -1],
  position: [0, -24, 30],
};

test('an axial slice crosses a sagittal image at its height, over its whole width', () => {
  // Row 50 of the sagittal image is z = 30 - 50 = -20.
  const line = crossing(SAGITTAL, AXIAL);
  expect(
    line
      ?.flat()
      .map((each) => Math.round(each * 1e6) / 1e6)
      .sort((a, b) => a - b),
  ).toEqual([-0.5, 47.5, 50, 50]);
});

test('an image that ends before it reaches the other one crosses nothing', () => {
  expect(crossing(SAGITTAL, { ...AXIAL, position: [100, -24, -20] })).toBeNull();
});

test('parallel images cross nothing', () => {
  expect(crossing(AXIAL, { ...AXIAL, position: [-31, -24, 5] })).toBeNull();
});

test('a point of the patient is found on an image', () => {
  expect(worldToImage(SAGITTAL, [3, -20, 10])).toEqual([4, 20]);
  expect(Math.abs(distanceTo(SAGITTAL, [3, -20, 10]))).toBe(3);
});
