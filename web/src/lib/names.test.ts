import { expect, test } from 'vitest';
import { formatName, nameInOneLine } from './names';

test('the family name comes first, titles last', () => {
  expect(formatName({ alphabetic: 'Müller^Hans^Peter^Dr.^MD' }).main).toBe('Müller, Hans Peter, Dr. MD');
  expect(formatName({ alphabetic: 'Adams^John^^^' }).main).toBe('Adams, John');
  expect(formatName({ alphabetic: 'PHANTOM' }).main).toBe('PHANTOM');
});

test('a name is shown in all its scripts', () => {
  const name = { alphabetic: 'Yamada^Tarou', ideographic: '山田^太郎', phonetic: 'やまだ^たろう' };
  expect(formatName(name)).toEqual({ main: 'Yamada, Tarou', others: ['山田 太郎', 'やまだ たろう'] });
  expect(nameInOneLine(name)).toBe('Yamada, Tarou · 山田 太郎 · やまだ たろう');
});

test('a name without an alphabetic group is led by the next one', () => {
  expect(formatName({ alphabetic: '', ideographic: '洪^吉洞', phonetic: '홍^길동' })).toEqual({
    main: '洪 吉洞',
    others: ['홍 길동'],
  });
});

test('no name is an empty one', () => {
  expect(formatName(null)).toEqual({ main: '', others: [] });
  expect(formatName({ alphabetic: '^^^^' })).toEqual({ main: '', others: [] });
});

test('blanks inside and around components are made single', () => {
  expect(formatName({ alphabetic: ' Doe  ^ Jane ' }).main).toBe('Doe, Jane');
});
