/** Samples of a frame as they are stored, for what is no picture: segments, overlays in unused bits. */
import { decode } from '../data/decode';
import { takeFrame } from '../data/frameBytes';
import type { Frame } from '../data/frames';
import { Failure } from '../data/errors';
import type { Samples } from '../lut/pixels';

export async function storedSamples(frame: Frame, signal?: AbortSignal): Promise<Samples> {
  const { pixels } = frame.instance;
  if (!pixels) throw new Failure('unsupported', 'The object holds no pixels.');
  const part = await takeFrame(frame.imageId.slice('wadors:'.length), signal);
  return (await decode(part, pixels)).samples;
}
