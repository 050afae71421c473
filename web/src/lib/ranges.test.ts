import { expect, test } from 'vitest';
import { countOf, includes, united } from './ranges';

test('ranges have one form, and know what is in them', () => {
  const ranges = united(
    [
      [5, 6],
      [1, 2],
    ],
    [[3, 3]],
    [
      [8, 9],
      [9, 12],
    ],
  );
  expect(ranges).toEqual([
    [1, 3],
    [5, 6],
    [8, 12],
  ]);
  expect(countOf(ranges)).toBe(10);
  expect([0, 1, 3, 4, 8, 12, 13].filter((number) => includes(ranges, number))).toEqual([1, 3, 8, 12]);
});

test('a film that runs forward and back is one range', () => {
  let ranges = united();
  for (const frame of [1, 2, 3, 4, 3, 2, 1, 5]) ranges = united(ranges, [[frame, frame]]);
  expect(ranges).toEqual([[1, 5]]);
  expect(countOf(united())).toBe(0);
});
