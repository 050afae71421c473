import { expect, test } from 'vitest';
import de from './de.json';
import en from './en.json';

const keysOf = (tree: object, prefix = ''): string[] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [`${prefix}${key}`] : keysOf(value as object, `${prefix}${key}.`),
  );

test('every text is there in every language', () => {
  expect(keysOf(de).sort()).toEqual(keysOf(en).sort());
});
