import { expect, test } from 'vitest';
import { samplePrecision, withColourTransform } from './jpeg';
import { decodeRle } from './rle';
import { entriesFromBytes, expandSegmented, paletteChannel, readDescriptor, readTable } from './tables';

function rleFrame(...segments: number[][]): Uint8Array {
  const header = new DataView(new ArrayBuffer(64));
  header.setUint32(0, segments.length, true);
  let at = 64;
  segments.forEach((segment, index) => {
    header.setUint32(4 + index * 4, at, true);
    at += segment.length;
  });
  return Uint8Array.from([...new Uint8Array(header.buffer), ...segments.flat()]);
}

test('the worked PackBits example is unpacked', () => {
  const packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
  const plain = [
    0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa, 0xaa,
    0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
  ];
  expect(Array.from(decodeRle(rleFrame(packed), plain.length, 1, 1))).toEqual(plain);
});

test('byte planes, most significant first, become little-endian pixels', () => {
  expect(Array.from(decodeRle(rleFrame([1, 0xab, 0xcd], [1, 0x12, 0x34]), 2, 1, 2))).toEqual([
    0x12, 0xab, 0x34, 0xcd,
  ]);
});

test('colour segments become interleaved pixels', () => {
  expect(Array.from(decodeRle(rleFrame([1, 1, 2], [1, 3, 4], [1, 5, 6]), 2, 3, 1))).toEqual([
    1, 3, 5, 2, 4, 6,
  ]);
});

test('a run beyond the frame is cut, a wrong number of segments refused', () => {
  expect(decodeRle(rleFrame([0x81, 7]), 4, 1, 1)).toEqual(Uint8Array.of(7, 7, 7, 7));
  expect(() => decodeRle(rleFrame([0, 1]), 1, 3, 1)).toThrow('1 segments; 3 were expected');
});

const startOfFrame = [0xff, 0xc0, 0x00, 0x0b, 8, 0, 2, 0, 2, 1, 1, 0x11, 0];
const scan = [0xff, 0xda, 0x00, 0x02, 1, 2, 3];
const jfif = [0xff, 0xe0, 0x00, 0x04, 0x4a, 0x46];

test('the precision of a JPEG frame is read past other segments', () => {
  expect(samplePrecision(Uint8Array.from([0xff, 0xd8, ...jfif, ...startOfFrame, ...scan]))).toBe(8);
  expect(samplePrecision(Uint8Array.of(1, 2, 3))).toBeNull();
});

test('the stream is made to state its colour transform, and nothing else changes', () => {
  const stream = Uint8Array.from([0xff, 0xd8, ...jfif, ...startOfFrame, ...scan]);
  const stated = Array.from(withColourTransform(stream, false));
  expect(stated.slice(0, 4)).toEqual([0xff, 0xd8, 0xff, 0xee]);
  expect(stated[17]).toBe(0);
  expect(stated.slice(18)).toEqual([...startOfFrame, ...scan]);
  expect(withColourTransform(stream, true)[17]).toBe(1);
});

test('descriptors say 65536 with 0, and their first value has the sign of the pixels', () => {
  const descriptor = (value: number[], isSigned: boolean) =>
    readDescriptor({ '00283002': { vr: 'US', Value: value } }, '00283002', isSigned);
  expect(descriptor([0, 0, 16], false)).toEqual({ count: 65_536, first: 0, bits: 16 });
  expect(descriptor([256, 64_512, 8], true)).toEqual({ count: 256, first: -1024, bits: 8 });
  expect(descriptor([256, -1024, 8], false)).toEqual({ count: 256, first: 64_512, bits: 8 });
  expect(descriptor([256, 0], false)).toBeNull();
});

test('8-bit entries are read one to a byte or one to a word', () => {
  expect(Array.from(entriesFromBytes(Uint8Array.of(1, 2, 3), 3, 8))).toEqual([1, 2, 3]);
  expect(Array.from(entriesFromBytes(Uint8Array.of(1, 0, 2, 0, 3, 0), 3, 8))).toEqual([1, 2, 3]);
});

test('a table that states 16 bits and fills 8 is not black', () => {
  const table = readTable(
    { '00283002': { vr: 'US', Value: [2, 0, 16] }, '00283006': { vr: 'US', Value: [0, 255] } },
    false,
  );
  expect(table?.bitsPerEntry).toBe(8);
});

test('a 16-bit palette keeps its most significant byte', () => {
  const raw = new Uint8Array(Uint16Array.of(0, 0x1234, 0xff00).buffer);
  expect(Array.from(paletteChannel(raw, 3, 0, 16).entries)).toEqual([0, 0x12, 0xff]);
});

test('a segmented palette is spread out: discrete, then a straight line, then again', () => {
  const raw = new Uint8Array(Uint16Array.of(0, 2, 10, 20, 1, 4, 100, 2, 1, 0, 0).buffer);
  expect(Array.from(expandSegmented(raw, 8, 16))).toEqual([10, 20, 40, 60, 80, 100, 10, 20]);
});
