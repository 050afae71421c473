/** The little of JPEG (ITU-T T.81 B) that decides how a frame must be decoded. */

interface Segment {
  marker: number;
  start: number;
  length: number;
}

/** The segments before the first scan. `start` is at the content, after the length. */
function* segments(bytes: Uint8Array): Generator<Segment> {
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return;
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    if (length < 2) return;
    yield { marker, start: at + 4, length: length - 2 };
    at += 2 + length;
  }
}

const isStartOfFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

export function samplePrecision(bytes: Uint8Array): number | null {
  for (const { marker, start } of segments(bytes)) {
    if (isStartOfFrame(marker)) return bytes[start] ?? null;
  }
  return null;
}

/**
 * States in the stream whether it holds YCbCr, as PhotometricInterpretation says. Decoders otherwise guess: without JFIF
 * or Adobe marker they take three components for YCbCr, and an RGB frame comes out in false colours.
 */
export function withColourTransform(bytes: Uint8Array, isYcbcr: boolean): Uint8Array {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes;
  const own: Segment[] = [];
  for (const segment of segments(bytes)) {
    const isAdobe =
      segment.marker === 0xee &&
      String.fromCharCode(...bytes.subarray(segment.start, segment.start + 5)) === 'Adobe';
    // JFIF means YCbCr to a decoder, even beside an Adobe marker: both go.
    if (isAdobe || segment.marker === 0xe0) own.push(segment);
  }
  const adobe = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, isYcbcr ? 1 : 0];
  const parts: Uint8Array[] = [bytes.subarray(0, 2), Uint8Array.from(adobe)];
  let from = 2;
  for (const { start, length } of own) {
    parts.push(bytes.subarray(from, start - 4));
    from = start + length;
  }
  parts.push(bytes.subarray(from));
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    result.set(part, to);
    to += part.length;
  }
  return result;
}
