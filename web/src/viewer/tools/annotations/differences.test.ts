import { expect, test } from 'vitest';
import { differences, inPieces, isNothing, knownOf, merged } from './differences';
import type { Annotation } from './model';
import { forWire, fromWire } from './wire';

function mark(uid: string, part: Partial<Annotation> = {}): Annotation {
  return {
    uid,
    kind: 'length',
    seriesInstanceUid: '1.2',
    sopInstanceUid: '1.2.3',
    frameNumber: 1,
    points: [
      [1, 2],
      [3, 4],
    ],
    controls: null,
    label: '',
    isHidden: false,
    textAt: null,
    values: [],
    spacing: null,
    knownMm: null,
    ...part,
  };
}

test('what is new, changed or gone is told, and nothing else', () => {
  const [a, b, c] = [mark('1'), mark('2'), mark('3')];
  const moved = { ...b, label: 'moved' };
  const added = mark('4');
  const found = differences(knownOf([a, b, c]), [a, moved, added]);
  expect(found).toEqual({ changed: [moved, added], removed: ['3'] });
  expect(isNothing(differences(knownOf([a, b]), [a, b]))).toBe(true);
});

test('pieces stay below their size and hold everything once', () => {
  const marks = Array.from({ length: 50 }, (_, index) => mark(String(index)));
  const large = mark('large', { points: Array.from({ length: 900 }, (_, index) => [index, 1 / 3]) });
  const removed = Array.from({ length: 1200 }, (_, index) => `9.${index}`);
  const pieces = inPieces({ changed: [...marks, large], removed }, 4000);
  expect(pieces.flatMap((each) => each.changed)).toEqual([...marks, large]);
  expect(pieces.flatMap((each) => each.removed)).toEqual(removed);
  const sizes = pieces
    .filter((each) => !each.changed.includes(large) && each.changed.length > 0)
    .map((each) => JSON.stringify(each.changed).length);
  expect(Math.max(...sizes)).toBeLessThan(4200);
  expect(pieces.find((each) => each.changed.includes(large))?.changed).toHaveLength(1);
});

test('points are sent to a ten thousandth of a pixel', () => {
  const { points, textAt } = forWire(mark('1', { points: [[1 / 3, 2]], textAt: [0.123456, 7] }));
  expect(points).toEqual([[0.3333, 2]]);
  expect(textAt).toEqual([0.1235, 7]);
  expect(fromWire(forWire(mark('1')))).toEqual(mark('1'));
});

test('changes of others take the place of what was there', () => {
  const [a, b, c] = [mark('1'), mark('2'), mark('3')];
  const theirs = { ...b, label: 'theirs' };
  const added = mark('4');
  expect(merged([a, b, c], [added, theirs], ['1'])).toEqual([theirs, c, added]);
});
