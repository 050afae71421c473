import { expect, test } from 'vitest';
import {
  addDays,
  ageAt,
  describeStudyDay,
  formatAgo,
  formatDicomDate,
  formatDicomTime,
  parseDicomDate,
  toDicomDate,
} from './dates';

const today = { year: 2025, month: 3, day: 1 };

test('a DICOM date is read, also as ACR-NEMA wrote it', () => {
  expect(parseDicomDate('20250301')).toEqual(today);
  expect(parseDicomDate('2025.03.01')).toEqual(today);
});

test('what is no date is none', () => {
  for (const text of ['', '20250230', '2025', 'unknown!', '20251301', null, undefined]) {
    expect(parseDicomDate(text)).toBeNull();
  }
});

test('days are counted over the ends of months and years', () => {
  expect(toDicomDate(addDays(today, -1))).toBe('20250228');
  expect(toDicomDate(addDays({ year: 2024, month: 12, day: 31 }, 1))).toBe('20250101');
});

test('today and yesterday are told by the calendar, not by hours', () => {
  expect(describeStudyDay('20250301', 'en', today)).toEqual({ kind: 'today' });
  expect(describeStudyDay('20250228', 'en', today)).toEqual({ kind: 'yesterday' });
  expect(describeStudyDay('20240105', 'en', today)).toEqual({ kind: 'date', text: '5 Jan 2024' });
  expect(describeStudyDay('', 'en', today)).toEqual({ kind: 'none' });
});

test('an odd date is shown as it is', () => {
  expect(describeStudyDay('2024-01', 'en', today)).toEqual({ kind: 'date', text: '2024-01' });
  expect(formatDicomDate('19xx0101', 'en')).toBe('19xx0101');
});

test('dates are written in the language of the screen', () => {
  expect(formatDicomDate('20240105', 'de')).toBe('5. Jan. 2024');
});

test('a time is cut to hour and minute', () => {
  expect(formatDicomTime('140531.250000')).toBe('14:05');
  expect(formatDicomTime('14:05:31')).toBe('14:05');
  expect(formatDicomTime('14')).toBeNull();
  expect(formatDicomTime('9961')).toBeNull();
});

test('the age is that on the day of the study', () => {
  expect(ageAt('19700302', today)).toEqual({ unit: 'years', count: 54 });
  expect(ageAt('19700301', today)).toEqual({ unit: 'years', count: 55 });
  expect(ageAt('20240201', today)).toEqual({ unit: 'months', count: 13 });
  expect(ageAt('20250220', today)).toEqual({ unit: 'days', count: 9 });
  expect(ageAt('20260101', today)).toBeNull();
  expect(ageAt('', today)).toBeNull();
  expect(ageAt('19700301', null)).toBeNull();
});

test('how long ago is told in the largest unit that fits', () => {
  const now = Date.parse('2025-03-01T12:00:00Z');
  expect(formatAgo('2025-03-01T09:10:00Z', 'en', now)).toBe('2 hours ago');
  expect(formatAgo('2025-03-01T11:59:30Z', 'en', now)).toBe('30 seconds ago');
  expect(formatAgo('2025-03-02T13:00:00Z', 'en', now)).toBe('tomorrow');
  expect(formatAgo('2023-01-01T00:00:00Z', 'de', now)).toBe('vor 2 Jahren');
});
