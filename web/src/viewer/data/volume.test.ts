import { expect, test } from 'vitest';
import { framesOf, readInstance } from './frames';
import type { Frame } from './frames';
import type { Geometry } from './orientation';
import { reslice, valueAt, type Volume } from './reslice';
import type { Vector3 } from './vectors';
import { regularityOf } from './volume';

const AXIAL = [1, 0, 0, 0, 1, 0];

function frame(
  position: number[],
  orientation: number[] = AXIAL,
  extra: Record<string, unknown> = {},
): Frame {
  const ds = (vr: string, ...Value: unknown[]) => ({ vr, Value });
  const instance = readInstance({
    '00080018': ds('UI', `1.${position.join('.')}`),
    '00200032': ds('DS', ...position),
    '00200037': ds('DS', ...orientation),
    '00200052': ds('UI', '1.2.3'),
    '00280002': ds('US', 1),
    '00280004': ds('CS', 'MONOCHROME2'),
    '00280010': ds('US', 4),
    '00280011': ds('US', 5),
    '00280030': ds('DS', 2, 1),
    '00280100': ds('US', 16),
    ...extra,
  });
  const [first] = framesOf(instance, '');
  if (!first) throw new Error('no frame');
  return first;
}

const at = (...heights: number[]): Frame[] => heights.map((z) => frame([0, 0, z]));
const why = (frames: Frame[]) => {
  const found = regularityOf(frames);
  return found.kind === 'irregular' ? found.why : null;
};

test('evenly spaced slices are a volume, whatever their order', () => {
  const found = regularityOf(at(5, 0, 2.5, 7.5));
  expect(found).toMatchObject({
    kind: 'regular',
    order: [1, 2, 0, 3],
    grid: { size: [5, 4, 4], spacing: [1, 2, 2.5], origin: [0, 0, 0] },
  });
});

test('a missing slice is named by the places beside it', () => {
  expect(why(at(0, 2.5, 7.5, 10))).toEqual({ kind: 'missingSlice', from: 2.5, to: 7.5, usual: 2.5 });
});

test('a leaning gantry is told by its angle', () => {
  const tilt = (15 * Math.PI) / 180;
  const leaning = [0, 1, 2, 3].map((index) =>
    frame([0, 0, index * 3], [1, 0, 0, 0, Math.cos(tilt), -Math.sin(tilt)]),
  );
  const found = why(leaning);
  expect(found?.kind).toBe('gantryTilt');
  expect(found && 'degrees' in found ? found.degrees : 0).toBeCloseTo(15, 6);
});

test('other ways of not being a volume have their names', () => {
  expect(why(at(0, 1))?.kind).toBe('tooFew');
  expect(why([...at(0, 1), frame([0, 0, 2], [0, 1, 0, 0, 0, -1])])?.kind).toBe('mixedOrientation');
  expect(why(at(0, 1, 1, 2))?.kind).toBe('samePlace');
  expect(why(at(0, 1, 2.3, 3.3, 4.3))?.kind).toBe('unevenSpacing');
  expect(why([...at(0, 1), frame([0, 0, 2], AXIAL, { '00280030': { vr: 'DS', Value: [1, 1] } })])?.kind).toBe(
    'mixedSizes',
  );
  const colour = { '00280002': { vr: 'US', Value: [3] }, '00280004': { vr: 'CS', Value: ['RGB'] } };
  expect(why([0, 1, 2].map((z) => frame([0, 0, z], AXIAL, colour)))?.kind).toBe('colour');
});

/** Values that are linear in the place are met exactly by linear interpolation. */
const truth = ([x, y, z]: Vector3): number => 10 * x + 20 * y + 40 * z;

function linearVolume(): Volume {
  const found = regularityOf(at(0, 2.5, 5, 7.5));
  if (found.kind !== 'regular') throw new Error('irregular');
  const slices = [0, 2.5, 5, 7.5].map((z) =>
    Int16Array.from({ length: 20 }, (_, index) => truth([index % 5, 2 * Math.floor(index / 5), z])),
  );
  return { grid: found.grid, slices, least: 0, most: 460 };
}

test('a value between voxels is what lies between them', () => {
  const volume = linearVolume();
  expect(valueAt(volume, [1.5, 3, 4])).toBeCloseTo(truth([1.5, 3, 4]), 9);
  expect(valueAt(volume, [4, 6, 7.5])).toBe(truth([4, 6, 7.5]));
  expect(valueAt(volume, [4.6, 0, 0])).toBeNull();
});

test('a leaning plane holds the values of its places', () => {
  const half = Math.SQRT1_2;
  const plane: Geometry = {
    columns: 3,
    rows: 3,
    columnSpacing: Math.SQRT2,
    rowSpacing: 1,
    rowDirection: [half, 0, half],
    columnDirection: [0, 1, 0],
    position: [1, 1, 1],
  };
  const values = reslice(linearVolume(), plane);
  const expected = [0, 1, 2].flatMap((row) => [0, 1, 2].map((c) => truth([1 + c, 1 + row, 1 + c])));
  expect(Array.from(values)).toEqual(expected);
});

test('a slab shows the greatest, the least or the mean of its thickness', () => {
  const plane: Geometry = {
    columns: 1,
    rows: 1,
    columnSpacing: 1,
    rowSpacing: 1,
    rowDirection: [1, 0, 0],
    columnDirection: [0, 1, 0],
    position: [2, 2, 3],
  };
  const volume = linearVolume();
  const through = (mode: 'max' | 'min' | 'mean') => reslice(volume, plane, { thicknessMm: 4, mode })[0];
  expect(through('max')).toBe(truth([2, 2, 5]));
  expect(through('min')).toBe(truth([2, 2, 1]));
  expect(through('mean')).toBe(truth([2, 2, 3]));
});
