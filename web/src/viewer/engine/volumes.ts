/**
 * Volumes made of stacks: every frame loaded, checked to be a regular grid, and held as the arrays of its images, without
 * a copy. What volumes hold is taken off what the image cache may.
 */
import { cache } from '@cornerstonejs/core';
import type { StackDisplaySet } from '../data/displaySets';
import { Failure } from '../data/errors';
import type { Samples, Volume } from '../data/reslice';
import { type Irregularity, regularityOf } from '../data/volume';
import { cacheBytes } from './cornerstone';

/** Of the memory for images, what volumes may hold. */
const VOLUME_SHARE = 0.6;
const LOADS_AT_ONCE = 4;

export class NotAVolume extends Error {
  constructor(readonly why: Irregularity) {
    super(why.kind);
    this.name = 'NotAVolume';
  }
}

export class TooLarge extends Error {
  constructor(
    readonly neededBytes: number,
    readonly allowedBytes: number,
  ) {
    super('too large');
    this.name = 'TooLarge';
  }
}

interface Held {
  volume: Promise<Volume>;
  ready: Volume | null;
  bytes: number;
}

export type LoadPixels = (imageId: string) => Promise<Samples>;

const held = new Map<string, Held>();

/** What others make of volumes: a rendering's own copy, and the GPU's. */
let reservedBytes = 0;

const heldBytes = (): number => [...held.values()].reduce((sum, { bytes }) => sum + bytes, reservedBytes);

const budget = (): void => cache.setMaxCacheSize(Math.max(cacheBytes() - heldBytes(), cacheBytes() * 0.2));

async function load(
  stack: StackDisplaySet,
  pixelsOf: LoadPixels,
  onProgress: (done: number) => void,
): Promise<Volume> {
  const found = regularityOf(stack.frames);
  if (found.kind === 'irregular') throw new NotAVolume(found.why);
  const { grid, order } = found;
  const slices: Samples[] = [];
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < order.length; index = next++) {
      const frame = stack.frames[order[index] ?? -1];
      if (!frame) throw new Failure('notFound');
      const pixels = await pixelsOf(frame.imageId);
      if (pixels.length !== grid.size[0] * grid.size[1]) throw new Failure('damaged');
      slices[index] = pixels;
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: LOADS_AT_ONCE }, work));
  let least = Infinity;
  let most = -Infinity;
  for (const slice of slices) {
    for (const value of slice) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return { grid, slices, least, most };
}

/** The volume of a stack, loaded once. Rejects with `NotAVolume`, `TooLarge`, or why a frame could not be read. */
export function volumeOf(
  stack: StackDisplaySet,
  pixelsOf: LoadPixels,
  onProgress: (done: number) => void = () => undefined,
): Promise<Volume> {
  const known = held.get(stack.id);
  if (known) return known.volume;
  const format = stack.representative.pixels;
  const bytes = format
    ? stack.frames.length * format.rows * format.columns * (format.bitsAllocated > 16 ? 4 : 2)
    : 0;
  const allowed = cacheBytes() * VOLUME_SHARE;
  if (bytes > allowed) return Promise.reject(new TooLarge(bytes, allowed));
  // The oldest go first; what shows them loads them again when it is asked for.
  for (const [id, { ready }] of held) {
    if (heldBytes() + bytes <= allowed) break;
    if (ready) held.delete(id);
  }
  const entry: Held = { volume: load(stack, pixelsOf, onProgress), ready: null, bytes };
  held.set(stack.id, entry);
  budget();
  entry.volume.then(
    (volume) => {
      entry.ready = volume;
    },
    () => {
      if (held.get(stack.id) === entry) held.delete(stack.id);
      budget();
    },
  );
  return entry.volume;
}

/** Takes memory off what images and volumes may have; gives back how it is given back. Throws `TooLarge`. */
export function reserve(bytes: number): () => void {
  const allowed = cacheBytes() * VOLUME_SHARE;
  if (bytes + heldBytes() > allowed) throw new TooLarge(bytes + heldBytes(), allowed);
  reservedBytes += bytes;
  budget();
  return () => {
    reservedBytes -= bytes;
    budget();
  };
}

export const volumeIfReady = (stackId: string): Volume | null => held.get(stackId)?.ready ?? null;

export const bytesOfVolumes = heldBytes;

export function forgetVolumes(): void {
  held.clear();
  budget();
}
