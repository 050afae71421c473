/**
 * RLE decoding (PS3.5 G): a header of 16 little-endian offsets, then one PackBits segment per byte plane, most
 * significant byte first, sample by sample.
 */

/** Decoded byte planes, interleaved to little-endian pixels with the samples of a pixel side by side. */
export function decodeRle(
  frame: Uint8Array,
  pixelCount: number,
  samplesPerPixel: number,
  bytesPerSample: number,
): Uint8Array {
  if (frame.length < 64) throw new Error('The RLE header is cut off.');
  const header = new DataView(frame.buffer, frame.byteOffset, 64);
  const segmentCount = header.getUint32(0, true);
  if (segmentCount !== samplesPerPixel * bytesPerSample) {
    throw new Error(
      `The RLE frame has ${segmentCount} segments; ${samplesPerPixel * bytesPerSample} were expected.`,
    );
  }
  const stride = samplesPerPixel * bytesPerSample;
  const output = new Uint8Array(pixelCount * stride);
  for (let segment = 0; segment < segmentCount; segment += 1) {
    const start = header.getUint32(4 + segment * 4, true);
    const end = segment + 1 < segmentCount ? header.getUint32(8 + segment * 4, true) : frame.length;
    const sample = Math.floor(segment / bytesPerSample);
    const byte = bytesPerSample - 1 - (segment % bytesPerSample);
    unpackBits(frame, start, Math.min(end, frame.length), output, sample * bytesPerSample + byte, stride);
  }
  return output;
}

function unpackBits(
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  outputStart: number,
  stride: number,
): void {
  let from = start;
  let to = outputStart;
  while (from < end && to < output.length) {
    const code = input[from] ?? 128;
    from += 1;
    if (code < 128) {
      for (let left = code + 1; left > 0 && from < end && to < output.length; left -= 1) {
        output[to] = input[from] ?? 0;
        from += 1;
        to += stride;
      }
    } else if (code > 128) {
      const value = input[from] ?? 0;
      from += 1;
      for (let left = 257 - code; left > 0 && to < output.length; left -= 1) {
        output[to] = value;
        to += stride;
      }
    }
  }
}
