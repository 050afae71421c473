import { describe, expect, it } from 'vitest';
import { applyPatch, countsOf, discAt, interpolated, patchOf, regionFrom, strokeBetween } from './masks';

const EXTENT = { columns: 40, rows: 30 };

function painted(paint: (visit: (at: number) => void) => void): Set<number> {
  const found = new Set<number>();
  paint((at) => found.add(at));
  return found;
}

/** By another way: every pixel is looked at. */
const within = (passes: (x: number, y: number) => boolean): Set<number> =>
  new Set(
    Array.from({ length: EXTENT.columns * EXTENT.rows }, (_, at) => at).filter((at) =>
      passes(at % EXTENT.columns, Math.floor(at / EXTENT.columns)),
    ),
  );

describe('the brush', () => {
  it('takes the pixels whose centre lies in its circle', () => {
    expect(painted((visit) => discAt(EXTENT, [20.3, 14.8], 6.5, 1, visit))).toEqual(
      within((x, y) => Math.hypot(x - 20.3, y - 14.8) <= 6.5),
    );
  });

  it('is round in millimetres, and ends at the edge of the image', () => {
    expect(painted((visit) => discAt(EXTENT, [1, 2], 5, 2, visit))).toEqual(
      within((x, y) => Math.hypot(x - 1, (y - 2) * 2) <= 5),
    );
  });

  it('leaves no gap between two points of a fast hand, and takes at least the pixel under it', () => {
    const stroke = painted((visit) => strokeBetween(EXTENT, [5, 15], [35, 15], 4, 1, visit));
    for (let x = 5; x <= 35; x += 1) expect(stroke.has((15 + 3) * 40 + x)).toBe(true);
    expect(painted((visit) => strokeBetween(EXTENT, [7.4, 7.4], [7.4, 7.4], 0.2, 1, visit))).toEqual(
      new Set([7 * 40 + 7]),
    );
  });
});

it('fills what hangs together by edges and is within the range, and nothing across a corner', () => {
  const values = new Int16Array(1200).fill(-100);
  for (const at of within((x, y) => x >= 10 && x < 20 && y >= 5 && y < 10)) values[at] = 60;
  values[10 * 40 + 20] = 60;
  const found = regionFrom(EXTENT, 7 * 40 + 12, (at) => (values[at] ?? 0) >= 0);
  expect(found).toHaveLength(50);
  expect(regionFrom(EXTENT, 0, (at) => (values[at] ?? 0) >= 0)).toHaveLength(0);
  // A row's end is no neighbour of the next one's start.
  expect(regionFrom(EXTENT, 39, (at) => at === 39 || at === 40)).toHaveLength(1);
});

it('a patch goes forth and back, and holds only what changes', () => {
  const mask = new Uint8Array(1200);
  mask.fill(2, 0, 10);
  const patch = patchOf(4, mask, [0, 1, 20, 21], () => 2);
  expect([...(patch?.at ?? [])]).toEqual([20, 21]);
  if (!patch) return;
  applyPatch(mask, patch, true);
  expect(countsOf(mask)[2]).toBe(12);
  applyPatch(mask, patch, false);
  expect(countsOf(mask)[2]).toBe(10);
  expect(patchOf(4, mask, [0, 1], () => 2)).toBeNull();
});

it('puts between two discs the discs between them, and leaves other segments alone', () => {
  const disc = (radius: number): Uint8Array => {
    const mask = new Uint8Array(1200);
    discAt(EXTENT, [20, 15], radius, 1, (at) => (mask[at] = 1));
    return mask;
  };
  const other = new Uint8Array(1200);
  other[15 * 40 + 20] = 2;
  const masks = new Map([
    [10, disc(4)],
    [14, disc(12)],
    [12, other],
  ]);
  const patches = interpolated(masks, 1, EXTENT, 1);
  expect(patches.map(({ index }) => index)).toEqual([11, 12, 13]);
  patches.forEach((patch, step) => {
    const radius = 4 + 2 * (step + 1);
    // The outline lies within half a pixel of where it should.
    const [least, most] = [radius - 0.5, radius + 0.5].map(
      (each) => within((x, y) => Math.hypot(x - 20, y - 15) <= each).size,
    );
    expect(patch.at.length).toBeGreaterThanOrEqual(least ?? 0);
    expect(patch.at.length).toBeLessThanOrEqual(most ?? 0);
  });
  expect([...(patches[1]?.at ?? [])]).not.toContain(15 * 40 + 20);
  expect(interpolated(new Map([[3, disc(4)]]), 1, EXTENT, 1)).toEqual([]);
});
