import { expect, test } from 'vitest';
import { inPieces } from './displayed';

test('what is sent at once outlives its page, and nothing is left out', () => {
  const uid = (number: number): string => `2.25.${String(number).padStart(59, '0')}`;
  const frames = new Map(
    Array.from({ length: 1500 }, (_, at) => [uid(at), [[1, 1]] as [number, number][]] as const),
  );
  const pieces = inPieces(frames);
  expect(pieces.map(({ size }) => size)).toEqual([528, 528, 444]);
  expect(new Map(pieces.flatMap((piece) => [...piece]))).toEqual(frames);
  for (const piece of pieces) {
    const body = JSON.stringify({ instances: [...piece].map(([sopInstanceUid]) => ({ sopInstanceUid })) });
    expect(body.length).toBeLessThan(56_000);
  }
  expect(inPieces(new Map())).toEqual([]);
});
