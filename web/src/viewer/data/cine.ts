import { number, numbers } from './dicomJson';
import type { StackDisplaySet } from './displaySets';

export const RATE_MIN = 1;
export const RATE_MAX = 60;
export const RATE_WITHOUT_DATA = 10;

const clamped = (rate: number): number => Math.min(RATE_MAX, Math.max(RATE_MIN, rate));

/**
 * Frames per second the object asks for: Recommended Display Frame Rate, Cine Rate, Frame Time, the mean of Frame Time
 * Vector (PS3.3 C.7.6.5), in this order; null when it says nothing.
 */
export function rateFromData(displaySet: StackDisplaySet): number | null {
  const { dataset } = displaySet.representative;
  const recommended = number(dataset, '00082144');
  if (recommended !== null && recommended > 0) return clamped(recommended);
  const cine = number(dataset, '00180040');
  if (cine !== null && cine > 0) return clamped(cine);
  const frameTimeMs = number(dataset, '00181063');
  if (frameTimeMs !== null && frameTimeMs > 0) return clamped(1000 / frameTimeMs);
  const vector = numbers(dataset, '00181065')?.filter((time) => time > 0) ?? [];
  if (vector.length === 0) return null;
  return clamped((1000 * vector.length) / vector.reduce((sum, time) => sum + time, 0));
}

/** How many frames to advance after `elapsedMs` and what remains for the next step; never more than one at a time late. */
export function advance(elapsedMs: number, rate: number): { steps: number; remainderMs: number } {
  const frameMs = 1000 / rate;
  const steps = Math.floor(elapsedMs / frameMs);
  return { steps, remainderMs: elapsedMs - steps * frameMs };
}
