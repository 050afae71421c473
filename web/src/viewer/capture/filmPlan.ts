/** Which images of a stack become a film, how long it is, and how large. */
import { RATE_MAX, RATE_MIN } from '../data/cine';

/** The images `from` to `to`, counted from 0, both in it. */
export interface Range {
  from: number;
  to: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The range that a reader asked for, within the stack and the right way round. */
export function rangeWithin(count: number, { from, to }: Range): Range {
  const within = (at: number): number => Math.min(count - 1, Math.max(0, Math.round(at)));
  const [one, other] = [within(from), within(to)];
  return { from: Math.min(one, other), to: Math.max(one, other) };
}

export const lengthOf = ({ from, to }: Range): number => to - from + 1;

/** Pictures a second, as whole numbers are played; a film keeps the fraction that the data state. */
export const rateWithin = (rate: number): number => Math.min(RATE_MAX, Math.max(RATE_MIN, rate));

/** The screen's own pixels, made fewer where a side would pass the longest; even, as encoders want them. */
export function filmSize(box: Size, ratio: number, sideMax: number): Size {
  const scale = Math.min(ratio, sideMax / box.width, sideMax / box.height);
  const even = (side: number): number => Math.max(2, 2 * Math.floor((side * scale) / 2));
  return { width: even(box.width), height: even(box.height) };
}
