import { expect, test } from 'vitest';
import {
  countFilters,
  daysOfPreset,
  filterOf,
  nextSort,
  parseRange,
  parseStudiesSearch,
  writeRange,
} from './search';

const today = { year: 2025, month: 3, day: 1 };

test('what the address bar holds becomes a search, and nonsense is dropped', () => {
  expect(
    parseStudiesSearch({
      q: 'müller',
      id: 4711,
      date: '7d',
      modality: ['mr', 'CT', 'CT', '<b>'],
      sort: 'patientName',
      evil: 1,
      name: { toString: 1 },
    }),
  ).toEqual({ q: 'müller', id: '4711', date: '7d', modality: ['CT', 'MR'], sort: 'patientName' });
  expect(parseStudiesSearch({ date: 'yesteryear', sort: 'drop table', modality: [] })).toEqual({});
});

test('the usual order is not written into the address', () => {
  expect(parseStudiesSearch({ sort: '-studyDate' })).toEqual({});
});

test('a search read from its own result is the same', () => {
  const search = parseStudiesSearch({
    name: 'Doe',
    date: '20240101-20240131',
    modality: ['US'],
    sort: '-updatedAt',
  });
  expect(parseStudiesSearch({ ...search })).toEqual(search);
});

test('presets are days that include today', () => {
  expect(writeRange(daysOfPreset('today', today))).toBe('20250301-20250301');
  expect(writeRange(daysOfPreset('yesterday', today))).toBe('20250228-20250228');
  expect(writeRange(daysOfPreset('7d', today))).toBe('20250223-20250301');
  expect(writeRange(daysOfPreset('365d', today))).toBe('20240302-20250301');
});

test('ranges may be open at either end', () => {
  expect(parseRange('20250101-')).toEqual({ from: { year: 2025, month: 1, day: 1 }, to: undefined });
  expect(writeRange({ to: today })).toBe('-20250301');
  for (const wrong of ['-', '', '2025-2026', '20251301-', undefined]) expect(parseRange(wrong)).toBeNull();
});

test('the API is asked in its own words', () => {
  expect(
    filterOf({ q: ' doe ', id: 'X1', accession: 'A', description: 'thorax', date: 'today' }, today),
  ).toEqual({
    q: 'doe',
    patientName: undefined,
    patientId: 'X1',
    accessionNumber: 'A',
    description: 'thorax',
    studyDate: '20250301-20250301',
    modality: undefined,
    sort: '-studyDate',
  });
});

test('filters are counted without the order', () => {
  expect(countFilters({})).toBe(0);
  expect(countFilters({ q: 'a', modality: ['CT'], sort: 'patientName' })).toBe(2);
});

test('a heading sorts first in its natural direction, then in the other', () => {
  expect(nextSort('-studyDate', 'patientName')).toBe('patientName');
  expect(nextSort('patientName', 'patientName')).toBe('-patientName');
  expect(nextSort('patientName', 'updatedAt')).toBe('-updatedAt');
  expect(nextSort('-updatedAt', 'updatedAt')).toBe('updatedAt');
});
