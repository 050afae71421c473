import { expect, test } from 'vitest';
import type { DicomJson } from './dicomJson';
import { splitSeries, type StackDisplaySet } from './displaySets';

let made = 0;
interface Change {
  number?: number;
  z?: number;
  frames?: number;
  sopClass?: string;
  type?: string[];
  hasPixels?: boolean;
  orientation?: number[];
}

function image({ number, z, frames, sopClass, type, hasPixels = true, orientation }: Change): DicomJson {
  made += 1;
  return {
    '00080016': { vr: 'UI', Value: [sopClass ?? '1.2.840.10008.5.1.4.1.1.2'] },
    '00080018': { vr: 'UI', Value: [`1.2.${made}`] },
    '0020000D': { vr: 'UI', Value: ['1'] },
    '0020000E': { vr: 'UI', Value: ['1.1'] },
    '00200011': { vr: 'IS', Value: [3] },
    '00080060': { vr: 'CS', Value: ['CT'] },
    ...(number === undefined ? {} : { '00200013': { vr: 'IS', Value: [number] } }),
    ...(hasPixels ? { '00280010': { vr: 'US', Value: [2] }, '00280011': { vr: 'US', Value: [2] } } : {}),
    ...(frames ? { '00280008': { vr: 'IS', Value: [frames] } } : {}),
    ...(type ? { '00080008': { vr: 'CS', Value: type } } : {}),
    ...(z === undefined
      ? {}
      : {
          '00200032': { vr: 'DS', Value: [0, 0, z] },
          '00200037': { vr: 'DS', Value: orientation ?? [1, 0, 0, 0, 1, 0] },
        }),
  };
}

const split = (...datasets: DicomJson[]) => splitSeries(datasets, '/dicomweb');
const numbers = (stack: unknown) =>
  (stack as StackDisplaySet).frames.map((frame) => frame.instance.instanceNumber);

test('slices are ordered by position, in the direction of the numbers', () => {
  const [rising] = split(
    image({ number: 2, z: 10 }),
    image({ number: 1, z: 0 }),
    image({ number: 3, z: 20 }),
  );
  expect(rising).toMatchObject({ ordering: 'position' });
  expect(numbers(rising)).toEqual([1, 2, 3]);
  const [falling] = split(
    image({ number: 1, z: 20 }),
    image({ number: 2, z: 10 }),
    image({ number: 3, z: 0 }),
  );
  expect(numbers(falling)).toEqual([1, 2, 3]);
});

test('a misnumbered slice goes where it lies', () => {
  const [stack] = split(
    image({ number: 1, z: 0 }),
    image({ number: 9, z: 5 }),
    image({ number: 2, z: 10 }),
    image({ number: 3, z: 15 }),
  );
  expect(numbers(stack)).toEqual([1, 9, 2, 3]);
});

test('slices without a position are ordered by number', () => {
  const [stack] = split(image({ number: 3 }), image({ number: 1 }), image({ number: 2, z: 4 }));
  expect(stack).toMatchObject({ ordering: 'instanceNumber' });
  expect(numbers(stack)).toEqual([1, 2, 3]);
});

test('several times at each position keep the order of the scanner', () => {
  const [stack] = split(
    image({ number: 1, z: 0 }),
    image({ number: 2, z: 5 }),
    image({ number: 3, z: 0 }),
    image({ number: 4, z: 5 }),
  );
  expect(numbers(stack)).toEqual([1, 2, 3, 4]);
});

test('slices of crossing planes are not sorted by one normal', () => {
  const [stack] = split(
    image({ number: 2, z: 0 }),
    image({ number: 1, z: 5, orientation: [1, 0, 0, 0, 0, -1] }),
  );
  expect(stack).toMatchObject({ ordering: 'instanceNumber' });
});

test('each multi-frame instance is a display set of its own', () => {
  const sets = split(image({ number: 1, frames: 30 }), image({ number: 2 }), image({ number: 3, frames: 8 }));
  expect(sets.map((set) => set.kind === 'stack' && [set.isMultiFrame, set.frames.length])).toEqual([
    [false, 1],
    [true, 30],
    [true, 8],
  ]);
  expect(new Set(sets.map((set) => set.id)).size).toBe(3);
});

test('objects without images are listed by what they are', () => {
  const sets = split(
    image({ number: 1, sopClass: '1.2.840.10008.5.1.4.1.1.88.33', hasPixels: false }),
    image({ number: 2, sopClass: '1.2.840.10008.5.1.4.1.1.104.1', hasPixels: false }),
    image({ number: 3, sopClass: '1.2.840.10008.5.1.4.1.1.88.59', hasPixels: false }),
    image({ number: 4, sopClass: '1.2.840.10008.5.1.4.1.1.11.1', hasPixels: false }),
    image({ number: 5, sopClass: '1.2.840.10008.5.1.4.1.1.66.4' }),
    image({ number: 6, sopClass: '1.3.6.1.4.1.9999', hasPixels: false }),
  );
  expect(sets.map((set) => set.kind === 'object' && set.object)).toEqual([
    'report',
    'document',
    'keyObjects',
    'presentationState',
    'segmentation',
    'unknown',
  ]);
});

test('a private class with pixels is shown as an image', () => {
  expect(split(image({ sopClass: '1.3.6.1.4.1.9999' }))).toMatchObject([{ kind: 'stack' }]);
});

test('localizers are kept apart from the images they plan', () => {
  const sets = split(
    image({ number: 1, type: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] }),
    image({ number: 2, type: ['ORIGINAL', 'PRIMARY', 'AXIAL'] }),
    image({ number: 3, type: ['ORIGINAL', 'PRIMARY', 'AXIAL'] }),
  );
  expect(sets.map(numbers)).toEqual([[2, 3], [1]]);
});

test('frames of an enhanced object have their own position', () => {
  const position = (z: number) => ({
    '00209113': { vr: 'SQ', Value: [{ '00200032': { vr: 'DS', Value: [0, 0, z] } }] },
  });
  const dataset: DicomJson = {
    ...image({ frames: 2 }),
    '52009229': {
      vr: 'SQ',
      Value: [
        {
          '00209116': { vr: 'SQ', Value: [{ '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] } }] },
          '00289110': {
            vr: 'SQ',
            Value: [{ '00280030': { vr: 'DS', Value: [0.5, 0.25] }, '00180050': { vr: 'DS', Value: [3] } }],
          },
        },
      ],
    },
    '52009230': { vr: 'SQ', Value: [position(7), position(9)] },
  };
  const [stack] = split(dataset);
  const frames = (stack as StackDisplaySet).frames;
  expect(frames.map((frame) => frame.sliceLocation)).toEqual([7, 9]);
  expect(frames[0]?.plane).toMatchObject({ rowSpacing: 0.5, columnSpacing: 0.25, spacingSource: 'patient' });
  expect(frames[1]?.sliceThickness).toBe(3);
  expect(frames[1]?.imageId).toMatch(
    /^wadors:\/dicomweb\/studies\/1\/series\/1\.1\/instances\/1\.2\.\d+\/frames\/2$/,
  );
});
