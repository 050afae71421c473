import { expect, test } from 'vitest';
import { parseSearch, stringifySearch } from './searchParams';

test('a list is written as a repeated parameter', () => {
  expect(stringifySearch({ q: 'müller hans', modality: ['CT', 'MR'], date: undefined })).toBe(
    '?q=m%C3%BCller+hans&modality=CT&modality=MR',
  );
  expect(stringifySearch({})).toBe('');
});

test('values stay texts, also those that look like numbers', () => {
  expect(parseSearch('?id=0047&modality=CT&modality=MR&q=a+b')).toEqual({
    id: '0047',
    modality: ['CT', 'MR'],
    q: 'a b',
  });
});

test('what was written is read back', () => {
  const search = { q: 'a&b=c', modality: ['CT', 'MR', 'US'] };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
});
