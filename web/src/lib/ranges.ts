/** Sets of whole numbers as ranges: first and last of each, rising, none next to another. */
export type Range = readonly [number, number];
export type Ranges = readonly Range[];

/** Brings ranges in any order, which may overlap, into their one form. */
export function united(...all: Ranges[]): Ranges {
  const result: [number, number][] = [];
  for (const [first, last] of all.flat().sort((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

export const includes = (ranges: Ranges, number: number): boolean =>
  ranges.some(([first, last]) => first <= number && number <= last);

export const countOf = (ranges: Ranges): number =>
  ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
