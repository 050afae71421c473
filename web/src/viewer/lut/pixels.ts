/** From decoded samples to modality values or RGB: what Cornerstone leaves out or guesses is done here. */
import type { PixelFormat } from '../data/frames';
import { type LookupTable, type Palette, tableValue } from './tables';

export type Samples =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;
export type GreyValues = Uint8Array | Int16Array | Uint16Array | Float32Array;

export const isColour = (format: PixelFormat): boolean =>
  format.samplesPerPixel >= 3 || format.photometricInterpretation === 'PALETTE COLOR';

const aligned = (bytes: Uint8Array, size: number): Uint8Array =>
  bytes.byteOffset % size === 0 ? bytes : bytes.slice();

/** Views little-endian bytes of native pixel data as samples; bits are not yet masked. */
export function samplesFromBytes(bytes: Uint8Array, format: PixelFormat): Samples {
  const count = format.rows * format.columns * format.samplesPerPixel;
  if (format.bitsAllocated === 1) return unpackBits(bytes, count);
  const size = format.bitsAllocated / 8;
  if (![1, 2, 4, 8].includes(size))
    throw new Error(`Pixels of ${format.bitsAllocated} bits are not supported.`);
  if (bytes.length < count * size) {
    throw new Error(`The frame holds ${bytes.length} bytes; ${count * size} were expected.`);
  }
  const source = aligned(bytes, size);
  const { buffer, byteOffset } = source;
  if (format.isFloat) {
    return size === 8
      ? new Float64Array(buffer, byteOffset, count)
      : new Float32Array(buffer, byteOffset, count);
  }
  if (size === 1)
    return format.isSigned ? new Int8Array(buffer, byteOffset, count) : source.subarray(0, count);
  if (size === 2) {
    return format.isSigned
      ? new Int16Array(buffer, byteOffset, count)
      : new Uint16Array(buffer, byteOffset, count);
  }
  if (size === 4) {
    return format.isSigned
      ? new Int32Array(buffer, byteOffset, count)
      : new Uint32Array(buffer, byteOffset, count);
  }
  throw new Error('Integer pixels of 64 bits are not supported.');
}

function unpackBits(bytes: Uint8Array, count: number): Uint8Array {
  const output = new Uint8Array(count);
  for (let index = 0; index < count; index += 1)
    output[index] = ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1;
  return output;
}

/**
 * Leaves only the stored bits: overlays in the bits above (retired, but in archives) are dropped, the sign is spread
 * from the highest stored bit.
 */
export function maskStoredBits(samples: Samples, format: PixelFormat): Samples {
  const { bitsAllocated, bitsStored, highBit, isSigned } = format;
  if (format.isFloat || bitsAllocated === 1 || bitsStored >= bitsAllocated || bitsAllocated > 16)
    return samples;
  const left = 31 - highBit;
  const right = 32 - bitsStored;
  const output = isSigned ? new Int16Array(samples.length) : new Uint16Array(samples.length);
  for (let index = 0; index < samples.length; index += 1) {
    const shifted = (samples[index] ?? 0) << left;
    output[index] = isSigned ? shifted >> right : shifted >>> right;
  }
  return output;
}

export interface Rescale {
  slope: number;
  intercept: number;
  table: LookupTable | null;
}

export interface Grey {
  values: GreyValues;
  min: number;
  max: number;
}

function rangeOf(samples: ArrayLike<number>): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < samples.length; index += 1) {
    const value = samples[index] ?? 0;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : { min: 0, max: 0 };
}

/**
 * Modality values. The array type follows from the attributes, not from one frame's values, so that all frames of a
 * series share one texture type.
 */
export function modalityValues(samples: Samples, format: PixelFormat, rescale: Rescale): Grey {
  const { slope, intercept, table } = rescale;
  if (table) {
    const values = table.bitsPerEntry <= 8 ? new Uint8Array(samples.length) : new Uint16Array(samples.length);
    for (let index = 0; index < samples.length; index += 1)
      values[index] = tableValue(table, samples[index] ?? 0);
    return { values, ...rangeOf(values) };
  }
  const limits = storedLimits(format);
  const ends = [limits.min * slope + intercept, limits.max * slope + intercept];
  const isWhole = Number.isInteger(slope) && Number.isInteger(intercept) && !format.isFloat;
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  let values: GreyValues;
  if (isWhole && low >= 0 && high <= 255) values = new Uint8Array(samples.length);
  else if (isWhole && low >= -32_768 && high <= 32_767) values = new Int16Array(samples.length);
  else if (isWhole && low >= 0 && high <= 65_535) values = new Uint16Array(samples.length);
  else values = new Float32Array(samples.length);
  if (slope === 1 && intercept === 0) values.set(samples);
  else
    for (let index = 0; index < samples.length; index += 1)
      values[index] = (samples[index] ?? 0) * slope + intercept;
  return { values, ...rangeOf(values) };
}

export function storedLimits(format: PixelFormat): { min: number; max: number } {
  if (format.isFloat) return { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };
  const bits = format.bitsAllocated === 1 ? 1 : format.bitsStored;
  return format.isSigned
    ? { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }
    : { min: 0, max: 2 ** bits - 1 };
}

const clampByte = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value));

/** YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), in place on interleaved bytes. */
export function ybrFullToRgb(pixels: Uint8Array): Uint8Array {
  for (let index = 0; index + 2 < pixels.length; index += 3) {
    const y = pixels[index] ?? 0;
    const cb = (pixels[index + 1] ?? 0) - 128;
    const cr = (pixels[index + 2] ?? 0) - 128;
    pixels[index] = clampByte(y + 1.402 * cr);
    pixels[index + 1] = clampByte(y - 0.344_136 * cb - 0.714_136 * cr);
    pixels[index + 2] = clampByte(y + 1.772 * cb);
  }
  return pixels;
}

/** YBR_FULL_422 as it lies in native pixel data: Y1 Y2 Cb Cr for two pixels side by side. */
export function expand422(bytes: Uint8Array, pixelCount: number): Uint8Array {
  const output = new Uint8Array(pixelCount * 3);
  for (let pair = 0; pair * 2 < pixelCount; pair += 1) {
    const at = pair * 4;
    for (let which = 0; which < 2; which += 1) {
      const to = (pair * 2 + which) * 3;
      if (to >= output.length) break;
      output[to] = bytes[at + which] ?? 0;
      output[to + 1] = bytes[at + 2] ?? 0;
      output[to + 2] = bytes[at + 3] ?? 0;
    }
  }
  return output;
}

export function interleavePlanes(planar: Uint8Array, pixelCount: number): Uint8Array {
  const output = new Uint8Array(pixelCount * 3);
  for (let index = 0; index < pixelCount; index += 1) {
    output[index * 3] = planar[index] ?? 0;
    output[index * 3 + 1] = planar[pixelCount + index] ?? 0;
    output[index * 3 + 2] = planar[2 * pixelCount + index] ?? 0;
  }
  return output;
}

/** Colour samples of more than eight bits keep their most significant byte: screens have no more. */
function toBytes(samples: Samples, bitsStored: number): Uint8Array {
  if (samples instanceof Uint8Array) return samples;
  const output = new Uint8Array(samples.length);
  const shift = Math.max(0, bitsStored - 8);
  for (let index = 0; index < samples.length; index += 1) output[index] = (samples[index] ?? 0) >> shift;
  return output;
}

export interface ColourSource {
  samples: Samples;
  /** The decoder has already undone the colour transform. */
  isRgbAlready: boolean;
  isPlanar: boolean;
}

export function rgbFromSamples(source: ColourSource, format: PixelFormat): Uint8Array {
  const pixelCount = format.rows * format.columns;
  const bytes = toBytes(source.samples, format.bitsStored);
  if (
    format.photometricInterpretation === 'YBR_FULL_422' &&
    !source.isRgbAlready &&
    bytes.length < pixelCount * 3
  ) {
    return ybrFullToRgb(expand422(bytes, pixelCount));
  }
  const stride = format.samplesPerPixel;
  if (bytes.length < pixelCount * 3)
    throw new Error(`The frame holds ${bytes.length} colour samples; ${pixelCount * 3} were expected.`);
  let rgb: Uint8Array;
  if (source.isPlanar) rgb = interleavePlanes(bytes, pixelCount);
  else if (stride === 4 && bytes.length >= pixelCount * 4) rgb = withoutFourth(bytes, pixelCount);
  else rgb = bytes.slice(0, pixelCount * 3);
  const isYbr =
    format.photometricInterpretation === 'YBR_FULL' || format.photometricInterpretation === 'YBR_FULL_422';
  return isYbr && !source.isRgbAlready ? ybrFullToRgb(rgb) : rgb;
}

function withoutFourth(bytes: Uint8Array, pixelCount: number): Uint8Array {
  const output = new Uint8Array(pixelCount * 3);
  for (let index = 0; index < pixelCount; index += 1) {
    output[index * 3] = bytes[index * 4] ?? 0;
    output[index * 3 + 1] = bytes[index * 4 + 1] ?? 0;
    output[index * 3 + 2] = bytes[index * 4 + 2] ?? 0;
  }
  return output;
}

export function rgbFromPalette(samples: Samples, palette: Palette): Uint8Array {
  const output = new Uint8Array(samples.length * 3);
  [palette.red, palette.green, palette.blue].forEach(({ first, entries }, channel) => {
    const last = entries.length - 1;
    for (let index = 0; index < samples.length; index += 1) {
      const entry = Math.min(last, Math.max(0, (samples[index] ?? 0) - first));
      output[index * 3 + channel] = entries[entry] ?? 0;
    }
  });
  return output;
}
