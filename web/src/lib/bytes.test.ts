import { expect, test } from 'vitest';
import { formatBytes } from './bytes';

test('sizes are told in three figures at most', () => {
  expect(formatBytes(0, 'en')).toBe('0 B');
  expect(formatBytes(999, 'en')).toBe('999 B');
  expect(formatBytes(1000, 'en')).toBe('1 kB');
  expect(formatBytes(52_643_112, 'en')).toBe('52.6 MB');
  expect(formatBytes(999_600, 'en')).toBe('1 MB');
  expect(formatBytes(1_234_000_000_000, 'de')).toBe('1,2 TB');
});
