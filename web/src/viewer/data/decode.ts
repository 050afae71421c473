/** One encoded frame to samples: native pixels and RLE here, everything else in the decoder workers. */
import { samplePrecision, withColourTransform } from '../lut/jpeg';
import { type Samples, samplesFromBytes } from '../lut/pixels';
import { decodeRle } from '../lut/rle';
import { decodeInWorker, type DecodeResult } from './decoders';
import { Failure, withTimeout } from './errors';
import type { PixelFormat } from './frames';
import type { Part } from './multipart';

const DECODE_TIMEOUT_MS = 30_000;
const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
const JPEG_EXTENDED = '1.2.840.10008.1.2.4.51';
const RLE = '1.2.840.10008.1.2.5';
const JPEG_LS = ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'];
const NATIVE = new Set(['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99']);
const BIG_ENDIAN = '1.2.840.10008.1.2.2';

/** Decoders of JPEG and JPEG XL always hand over RGB; those of JPEG 2000 only undo the transform of the codestream. */
const ALWAYS_RGB = /^1\.2\.840\.10008\.1\.2\.4\.(50|51|11[0-2])$/;

export interface Decoded {
  samples: Samples;
  isPlanar: boolean;
  isRgbAlready: boolean;
}

async function inWorker(bytes: Uint8Array, syntax: string, format: PixelFormat): Promise<DecodeResult> {
  const imageFrame = {
    rows: format.rows,
    columns: format.columns,
    samplesPerPixel: format.samplesPerPixel,
    photometricInterpretation: format.photometricInterpretation,
    planarConfiguration: 0,
    bitsAllocated: format.bitsAllocated,
    bitsStored: format.bitsStored,
    pixelRepresentation: format.isSigned ? 1 : 0,
  };
  const task = decodeInWorker({
    imageFrame,
    transferSyntax: syntax,
    pixelData: bytes,
    // Rescaling is ours: the worker's array types follow from the values of a frame and change between slices.
    options: { preScale: { enabled: false } },
    decodeConfig: {},
  });
  return withTimeout(task, DECODE_TIMEOUT_MS);
}

function swapped16(bytes: Uint8Array): Uint8Array {
  const output = new Uint8Array(bytes.length);
  for (let index = 0; index + 1 < bytes.length; index += 2) {
    output[index] = bytes[index + 1] ?? 0;
    output[index + 1] = bytes[index] ?? 0;
  }
  return output;
}

function native(bytes: Uint8Array, format: PixelFormat): Decoded {
  const pixelCount = format.rows * format.columns;
  if (format.photometricInterpretation === 'YBR_FULL_422') {
    // As stored: two bytes a pixel. Three bytes a pixel: the server has turned it into RGB already.
    const isConverted = bytes.length >= pixelCount * 3;
    return { samples: bytes, isPlanar: false, isRgbAlready: isConverted };
  }
  return {
    samples: samplesFromBytes(bytes, format),
    isPlanar: format.samplesPerPixel > 1 && format.planarConfiguration === 1,
    isRgbAlready: false,
  };
}

export async function decode({ bytes, transferSyntaxUid }: Part, format: PixelFormat): Promise<Decoded> {
  if (NATIVE.has(transferSyntaxUid)) return native(bytes, format);
  if (transferSyntaxUid === BIG_ENDIAN)
    return native(format.bitsAllocated === 16 ? swapped16(bytes) : bytes, format);
  if (transferSyntaxUid === RLE) {
    const size = Math.max(1, format.bitsAllocated / 8);
    const pixels = decodeRle(bytes, format.rows * format.columns, format.samplesPerPixel, size);
    return { samples: samplesFromBytes(pixels, format), isPlanar: false, isRgbAlready: false };
  }
  let source = bytes;
  let syntax = transferSyntaxUid;
  if (syntax === JPEG_BASELINE || syntax === JPEG_EXTENDED) {
    // The decoder for 12 bits leaves YCbCr as it is; frames of 8 bits, which are many, go to the other.
    if (samplePrecision(bytes) === 8) syntax = JPEG_BASELINE;
    if (format.samplesPerPixel === 3)
      source = withColourTransform(bytes, format.photometricInterpretation !== 'RGB');
  }
  let result: DecodeResult;
  try {
    result = await inWorker(source, syntax, format);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const detail = error instanceof Error ? error.message : typeof error === 'string' ? error : '';
    throw new Failure(/no decoder/i.test(detail) ? 'unsupported' : 'damaged', detail, { cause: error });
  }
  const expected = format.rows * format.columns * format.samplesPerPixel;
  if (result.pixelData.length < expected) {
    throw new Failure('damaged', `${result.pixelData.length} samples; ${expected} were expected.`);
  }
  return {
    samples: result.pixelData,
    isPlanar: JPEG_LS.includes(syntax) && format.samplesPerPixel > 1 && Number(result.interleaveMode) === 0,
    isRgbAlready: ALWAYS_RGB.test(syntax),
  };
}
