import { expect, test } from 'vitest';
import { filmSize, lengthOf, rangeWithin, rateWithin } from './filmPlan';

test('a range lies within the stack, and turns round when it was given backwards', () => {
  expect(rangeWithin(30, { from: 4, to: 12 })).toEqual({ from: 4, to: 12 });
  expect(rangeWithin(30, { from: 12, to: 4 })).toEqual({ from: 4, to: 12 });
  expect(rangeWithin(30, { from: -3, to: 99 })).toEqual({ from: 0, to: 29 });
  expect(lengthOf({ from: 4, to: 12 })).toBe(9);
});

test('a film is as large as the screen, even, and not larger than what is encoded', () => {
  expect(filmSize({ width: 801, height: 603 }, 1, 1920)).toEqual({ width: 800, height: 602 });
  expect(filmSize({ width: 801, height: 603 }, 2, 1920)).toEqual({ width: 1602, height: 1206 });
  expect(filmSize({ width: 390, height: 780 }, 3, 1920)).toEqual({ width: 960, height: 1920 });
  expect(filmSize({ width: 4000, height: 1000 }, 1, 1920)).toEqual({ width: 1920, height: 480 });
});

test('a rate is one that can be played', () => {
  expect([0, 7.5, 25, 500].map(rateWithin)).toEqual([1, 7.5, 25, 60]);
});
