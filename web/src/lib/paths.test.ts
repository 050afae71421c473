import { expect, test } from 'vitest';
import { dicomweb, ownPath } from './paths';

test('only paths of this application are returned to', () => {
  expect(ownPath('/studies/1.2.3?q=a')).toBe('/studies/1.2.3?q=a');
  for (const foreign of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '',
    7,
    '/ x',
  ]) {
    expect(ownPath(foreign)).toBeUndefined();
  }
});

test('odd UIDs are escaped', () => {
  expect(dicomweb.thumbnail('1.2', 'a b', 256)).toBe(
    '/dicomweb/studies/1.2/series/a%20b/thumbnail?viewport=256,256',
  );
});
