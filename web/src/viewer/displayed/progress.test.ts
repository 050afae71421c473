import { expect, test } from 'vitest';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { nextNotDisplayed, progressOf } from './progress';

const frames = (name: string, count: number): Frame[] =>
  Array.from(
    { length: count },
    (_, at) => ({ instance: { sopInstanceUid: `${name}${at}` }, frameNumber: 1 }) as unknown as Frame,
  );
const stack = (id: string, count: number): StackDisplaySet =>
  ({ kind: 'stack', id, frames: frames(id, count) }) as unknown as StackDisplaySet;
const only =
  (...uids: string[]) =>
  ({ instance }: Frame): boolean =>
    uids.includes(instance.sopInstanceUid);
const counts = (...series: [string, number, number][]) => ({
  images: 0,
  displayed: 0,
  completedAt: null,
  series: series.map(([seriesInstanceUid, images, displayed]) => ({ seriesInstanceUid, images, displayed })),
});

test('images are counted by frame, those of series that were not read as the server says', () => {
  const series = [
    { seriesInstanceUid: 'a', frames: frames('a', 5) },
    { seriesInstanceUid: 'b', frames: null },
    { seriesInstanceUid: 'report', frames: [] },
  ];
  const told = counts(['a', 5, 4], ['b', 20, 12]);
  // What was displayed since the server said so counts.
  expect(progressOf(series, told, only('a0', 'a2'))).toEqual({ images: 25, left: 3 + 8, arrived: 0 });
  expect(progressOf(series, counts(['a', 5, 5], ['b', 20, 20]), () => true)).toEqual({
    images: 25,
    left: 0,
    arrived: 0,
  });
});

test('what arrives later is left, in series that are known and in others', () => {
  const series = [{ seriesInstanceUid: 'a', frames: frames('a', 5) }];
  const told = counts(['a', 7, 5], ['new', 3, 0]);
  expect(progressOf(series, told, () => true)).toEqual({ images: 10, left: 5, arrived: 5 });
});

test('an image that the server does not count is left until it was displayed', () => {
  const series = [{ seriesInstanceUid: 'a', frames: frames('a', 2) }];
  expect(progressOf(series, counts(), only('a1'))).toEqual({ images: 2, left: 1, arrived: 0 });
});

test('the next one lies further on, then before, then in the stacks that follow, then in those above', () => {
  const stacks = [stack('a', 3), stack('b', 4), stack('c', 2)];
  const from = { id: 'b', index: 1 };
  const seen: string[] = [];
  const order: string[] = [];
  for (;;) {
    const next = nextNotDisplayed(stacks, from, only(...seen));
    if (!next) break;
    seen.push(`${next.id}${next.index}`);
    order.push(`${next.id}${next.index}`);
  }
  expect(order).toEqual(['b2', 'b3', 'b0', 'b1', 'c0', 'c1', 'a0', 'a1', 'a2']);
  expect(nextNotDisplayed(stacks, null, only('a0'))).toEqual({ id: 'a', index: 1 });
  expect(nextNotDisplayed([], null, only())).toBeNull();
});
