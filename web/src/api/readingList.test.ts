import { expect, test } from 'vitest';
import { neighboursIn } from './readingList';

test('a study has the neighbours of its list, and none at the ends or outside', () => {
  const list = ['1.1', '1.2', '1.3'];
  expect(neighboursIn(list, '1.1')).toEqual({ previous: null, next: '1.2', place: 1, count: 3 });
  expect(neighboursIn(list, '1.3')).toEqual({ previous: '1.2', next: null, place: 3, count: 3 });
  expect(neighboursIn(list, '9')).toEqual({ previous: null, next: null, place: null, count: 3 });
});
