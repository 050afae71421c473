/** Pictures of segments, overlays and shutters, ready to be drawn; the oldest are dropped when they grow too many. */
import type { Rgb } from './colour';

const KEPT_MAX_BYTES = 64 * 2 ** 20;

export interface Bitmap {
  canvas: HTMLCanvasElement;
  /** Pixels that are not empty. */
  count: number;
}

/** One picture of a key, or several (a label map has one for each segment in it). */
export type Bitmaps = Map<number, Bitmap>;

const kept = new Map<string, { bitmaps: Bitmaps; bytes: number }>();
const underWay = new Map<string, Promise<Bitmaps>>();
let bytesKept = 0;

export function bitmapOf(
  alpha: ArrayLike<number>,
  columns: number,
  rows: number,
  colour: Rgb,
  full = 255,
): Bitmap {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d');
  let count = 0;
  if (context) {
    const image = context.createImageData(columns, rows);
    const { data } = image;
    for (let index = 0; index < columns * rows; index += 1) {
      const value = alpha[index] ?? 0;
      if (value === 0) continue;
      count += 1;
      data[4 * index] = colour[0];
      data[4 * index + 1] = colour[1];
      data[4 * index + 2] = colour[2];
      data[4 * index + 3] = Math.round((value * 255) / full);
    }
    context.putImageData(image, 0, 0);
  }
  return { canvas, count };
}

export const isMakingBitmaps = (): boolean => underWay.size > 0;

export const keptBytes = (): number => bytesKept;

export function findBitmaps(key: string): Bitmaps | null {
  const found = kept.get(key);
  if (!found) return null;
  kept.delete(key);
  kept.set(key, found);
  return found.bitmaps;
}

function keep(key: string, bitmaps: Bitmaps): void {
  let bytes = 0;
  for (const { canvas } of bitmaps.values()) bytes += canvas.width * canvas.height * 4;
  kept.set(key, { bitmaps, bytes });
  bytesKept += bytes;
  for (const [oldest, entry] of kept) {
    if (bytesKept <= KEPT_MAX_BYTES || oldest === key) break;
    kept.delete(oldest);
    bytesKept -= entry.bytes;
  }
}

/** Makes the pictures of a key unless they are there or being made; a failure is told once and tried again later. */
export function makeBitmaps(key: string, make: () => Promise<Bitmaps>): Promise<Bitmaps> {
  const found = findBitmaps(key);
  if (found) return Promise.resolve(found);
  const started = underWay.get(key);
  if (started) return started;
  const promise = make()
    .then((bitmaps) => {
      keep(key, bitmaps);
      return bitmaps;
    })
    .finally(() => underWay.delete(key));
  underWay.set(key, promise);
  return promise;
}

export function forgetBitmaps(): void {
  kept.clear();
  bytesKept = 0;
}
