import { expect, test } from 'vitest';
import { boxesOf, bodyOf, everyNth, pageSize, pagesFor, pixelsOf, shapedBox, type Sheet } from './pages';

const film: Sheet = { paper: 'a4', isLandscape: false, rows: 5, columns: 4 };

test('boxes lie within the page, beside each other, of one size, and leave room for captions', () => {
  const boxes = boxesOf(film);
  const body = bodyOf(film);
  expect(boxes).toHaveLength(20);
  expect(boxes[0]).toMatchObject({ x: 10, y: 25 });
  for (const { x, y, width, height } of boxes) {
    expect(width).toBeCloseTo((190 - 3 * 2) / 4);
    expect(height).toBeCloseTo((277 - 15 - 9 - 4 * 2) / 5 - 4);
    expect(x + width).toBeLessThanOrEqual(body.x + body.width + 1e-9);
    expect(y + height + 4).toBeLessThanOrEqual(body.y + body.height - 9 + 1e-9);
  }
  expect((boxes[1]?.x ?? 0) - (boxes[0]?.x ?? 0)).toBeCloseTo(46 + 2);
  expect(boxes[4]?.x).toBe(10);
});

test('paper stands or lies', () => {
  expect(pageSize({ paper: 'letter', isLandscape: false })).toEqual({ width: 215.9, height: 279.4 });
  expect(pageSize({ paper: 'a4', isLandscape: true })).toEqual({ width: 297, height: 210 });
});

test('a shape is as large as its box allows, in its middle', () => {
  const box = { x: 10, y: 20, width: 100, height: 50 };
  expect(shapedBox(box, 1)).toEqual({ x: 35, y: 20, width: 50, height: 50 });
  expect(shapedBox(box, 4)).toEqual({ x: 10, y: 32.5, width: 100, height: 25 });
});

test('every third image is the first and each third after it', () => {
  expect(everyNth({ from: 2, to: 9 }, 3)).toEqual([2, 5, 8]);
  expect(everyNth({ from: 0, to: 3 }, 1)).toEqual([0, 1, 2, 3]);
  expect(everyNth({ from: 4, to: 4 }, 9)).toEqual([4]);
});

test('pages are as many as the images need', () => {
  expect([0, 1, 20, 21, 41].map((images) => pagesFor(images, film))).toEqual([1, 1, 1, 2, 3]);
});

test('a box has whole pixels, and says how many mm they are', () => {
  const { css, mm } = pixelsOf({ width: 46.03, height: 40 }, 1);
  expect(css).toEqual({ width: 368, height: 320 });
  expect(mm).toEqual({ width: 46, height: 40 });
  const fine = pixelsOf({ width: 46.03, height: 40 }, 2);
  expect(fine.css).toEqual({ width: 184, height: 160 });
  expect(fine.mm).toEqual({ width: 46, height: 40 });
});
