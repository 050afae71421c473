import { expect, test } from 'vitest';
import { linesOf } from './lines';

test('what went wrong comes first, then what runs', () => {
  const lines = linesOf([
    { id: 1, path: 'a', sizeBytes: 10, state: { kind: 'done', results: [{ name: 'a', outcome: 'stored' }] } },
    { id: 2, path: 'b', sizeBytes: 10, state: { kind: 'waiting' } },
    { id: 3, path: 'c', sizeBytes: 10, state: { kind: 'sending', sentBytes: 4 } },
    { id: 4, path: 'd', sizeBytes: 10, state: { kind: 'failed', reason: 'no answer' } },
  ]);
  expect(lines.map((line) => [line.name, line.kind])).toEqual([
    ['d', 'failed'],
    ['c', 'sending'],
    ['b', 'waiting'],
    ['a', 'stored'],
  ]);
  expect(lines[1]?.percent).toBe(40);
});

test('a ZIP has a line for each file inside', () => {
  const lines = linesOf([
    {
      id: 1,
      path: 'cd.zip',
      sizeBytes: 10,
      state: {
        kind: 'done',
        results: [
          { name: 'IM1', outcome: 'stored' },
          { name: 'README', outcome: 'refused', reason: 'not DICOM' },
        ],
      },
    },
  ]);
  expect(lines.map((line) => [line.name, line.kind, line.reason])).toEqual([
    ['README', 'refused', 'not DICOM'],
    ['IM1', 'stored', undefined],
  ]);
});
