import { expect, test } from 'vitest';
import type { PixelFormat } from '../data/frames';
import {
  expand422,
  interleavePlanes,
  maskStoredBits,
  modalityValues,
  rgbFromPalette,
  rgbFromSamples,
  samplesFromBytes,
  ybrFullToRgb,
} from './pixels';

const format = (change: Partial<PixelFormat> = {}): PixelFormat => ({
  rows: 2,
  columns: 2,
  samplesPerPixel: 1,
  photometricInterpretation: 'MONOCHROME2',
  planarConfiguration: 0,
  bitsAllocated: 16,
  bitsStored: 16,
  highBit: 15,
  isSigned: false,
  isFloat: false,
  ...change,
});

const bytesOf = (values: Int16Array | Uint16Array | Float32Array): Uint8Array =>
  new Uint8Array(values.buffer);

test('samples are read little-endian, also from an odd offset', () => {
  const shifted = new Uint8Array(9);
  shifted.set(bytesOf(Int16Array.from([-1, 2, -300, 4])), 1);
  const samples = samplesFromBytes(shifted.subarray(1), format({ isSigned: true }));
  expect(Array.from(samples)).toEqual([-1, 2, -300, 4]);
});

test('bits of a binary frame are unpacked from the least significant on', () => {
  const samples = samplesFromBytes(
    Uint8Array.of(0b0000_0110),
    format({ bitsAllocated: 1, bitsStored: 1, highBit: 0 }),
  );
  expect(Array.from(samples)).toEqual([0, 1, 1, 0]);
});

test('a frame that is too short is refused', () => {
  expect(() => samplesFromBytes(new Uint8Array(7), format())).toThrow('7 bytes; 8 were expected');
});

test('float pixel data are read as such', () => {
  const values = Float32Array.from([0.5, -1, 2, 3]);
  const samples = samplesFromBytes(
    bytesOf(values),
    format({ bitsAllocated: 32, bitsStored: 32, isFloat: true }),
  );
  expect(Array.from(samples)).toEqual([0.5, -1, 2, 3]);
});

test('overlays in the unused bits are dropped and the sign is spread', () => {
  const twelve = format({ bitsStored: 12, highBit: 11 });
  const samples = Uint16Array.from([0xf001, 0x1fff, 0x0800, 0x8000]);
  expect(Array.from(maskStoredBits(samples, twelve))).toEqual([1, 0xfff, 0x800, 0]);
  expect(Array.from(maskStoredBits(samples, { ...twelve, isSigned: true }))).toEqual([1, -1, -2048, 0]);
});

test('a high bit above the stored bits shifts them down', () => {
  const upper = format({ bitsStored: 12, highBit: 15 });
  expect(Array.from(maskStoredBits(Uint16Array.from([0xabc7]), upper))).toEqual([0xabc]);
});

test('the type of modality values follows from the attributes, not from one frame', () => {
  const twelve = format({ bitsStored: 12, highBit: 11 });
  const rescaled = modalityValues(Uint16Array.from([0, 1, 2, 3]), twelve, {
    slope: 1,
    intercept: -1024,
    table: null,
  });
  expect(rescaled.values).toBeInstanceOf(Int16Array);
  expect(rescaled).toMatchObject({ min: -1024, max: -1021 });
  const fractions = modalityValues(Uint16Array.from([3]), twelve, { slope: 0.5, intercept: 0, table: null });
  expect(fractions.values).toBeInstanceOf(Float32Array);
  expect(Array.from(fractions.values)).toEqual([1.5]);
  const eight = modalityValues(
    Uint8Array.from([3]),
    format({ bitsAllocated: 8, bitsStored: 8, highBit: 7 }),
    {
      slope: 1,
      intercept: 0,
      table: null,
    },
  );
  expect(eight.values).toBeInstanceOf(Uint8Array);
});

test('a Modality LUT replaces the rescaling', () => {
  const table = { first: 10, bitsPerEntry: 12, entries: Uint16Array.from([100, 200, 4000]), explanation: '' };
  const { values } = modalityValues(Uint16Array.from([0, 10, 11, 99]), format(), {
    slope: 2,
    intercept: 5,
    table,
  });
  expect(Array.from(values)).toEqual([100, 100, 200, 4000]);
});

test('YBR_FULL becomes RGB as PS3.3 C.7.6.3.1.2 says', () => {
  expect(Array.from(ybrFullToRgb(Uint8Array.of(76, 85, 255)))).toEqual([254, 0, 0]);
  expect(Array.from(ybrFullToRgb(Uint8Array.of(128, 128, 128)))).toEqual([128, 128, 128]);
});

test('YBR_FULL_422 shares its colour between two pixels', () => {
  expect(Array.from(expand422(Uint8Array.of(10, 20, 100, 200), 2))).toEqual([10, 100, 200, 20, 100, 200]);
});

test('native YBR_FULL_422 is converted, and left alone when the server has done so', () => {
  const colour = format({
    samplesPerPixel: 3,
    photometricInterpretation: 'YBR_FULL_422',
    bitsAllocated: 8,
    bitsStored: 8,
    highBit: 7,
    rows: 1,
  });
  const stored = rgbFromSamples(
    { samples: Uint8Array.of(128, 128, 128, 128), isRgbAlready: false, isPlanar: false },
    colour,
  );
  expect(Array.from(stored)).toEqual([128, 128, 128, 128, 128, 128]);
  const converted = Uint8Array.of(1, 2, 3, 4, 5, 6);
  expect(
    Array.from(rgbFromSamples({ samples: converted, isRgbAlready: true, isPlanar: false }, colour)),
  ).toEqual([1, 2, 3, 4, 5, 6]);
});

test('planes of colour are woven together', () => {
  expect(Array.from(interleavePlanes(Uint8Array.of(1, 2, 3, 4, 5, 6), 2))).toEqual([1, 3, 5, 2, 4, 6]);
});

test('palette entries outside the table take its ends', () => {
  const channel = { first: 5, entries: Uint8Array.of(10, 20, 30) };
  const rgb = rgbFromPalette(Uint8Array.of(0, 5, 6, 200), { red: channel, green: channel, blue: channel });
  expect(Array.from(rgb)).toEqual([10, 10, 10, 10, 10, 10, 20, 20, 20, 30, 30, 30]);
});
