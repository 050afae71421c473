/**
 * Masks: one byte for each pixel of a frame, 0 or the number of a segment; and what brushes do to them. Points are in
 * pixels of the image, whose centres lie at whole numbers.
 */
import type { Point2 } from '../data/vectors';

export interface Extent {
  columns: number;
  rows: number;
}

/** What one step has changed in one frame. */
export interface Patch {
  index: number;
  at: Uint32Array;
  before: Uint8Array;
  after: Uint8Array;
}

/** Pixels whose centre lies in the circle, which is one on the screen: `aspect` is the height of a pixel in its widths. */
export function discAt(
  { columns, rows }: Extent,
  [x, y]: Point2,
  radius: number,
  aspect: number,
  visit: (at: number) => void,
): void {
  const reach = radius / aspect;
  for (
    let row = Math.max(0, Math.ceil(y - reach));
    row <= Math.min(rows - 1, Math.floor(y + reach));
    row += 1
  ) {
    const half = Math.sqrt(Math.max(0, radius ** 2 - ((row - y) * aspect) ** 2));
    const last = Math.min(columns - 1, Math.floor(x + half));
    for (let column = Math.max(0, Math.ceil(x - half)); column <= last; column += 1)
      visit(row * columns + column);
  }
}

/** The pixels that a brush passes over between two points; also the nearest one to the end, however small it is. */
export function strokeBetween(
  extent: Extent,
  from: Point2,
  to: Point2,
  radius: number,
  aspect: number,
  visit: (at: number) => void,
): void {
  const steps = Math.max(
    1,
    Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(0.5, radius / 3)),
  );
  for (let step = 0; step <= steps; step += 1) {
    const share = step / steps;
    const point: Point2 = [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
    discAt(extent, point, radius, aspect, visit);
  }
  const [column, row] = [Math.round(to[0]), Math.round(to[1])];
  if (column >= 0 && row >= 0 && column < extent.columns && row < extent.rows)
    visit(row * extent.columns + column);
}

/** The pixels that hang together with one, edge to edge, and pass. */
export function regionFrom(
  { columns, rows }: Extent,
  start: number,
  passes: (at: number) => boolean,
): Uint32Array {
  if (start < 0 || start >= columns * rows || !passes(start)) return new Uint32Array(0);
  const isSeen = new Uint8Array(columns * rows);
  const found = new Uint32Array(columns * rows);
  isSeen[start] = 1;
  found[0] = start;
  let count = 1;
  const look = (at: number): void => {
    if (isSeen[at] === 1 || !passes(at)) return;
    isSeen[at] = 1;
    found[count] = at;
    count += 1;
  };
  for (let next = 0; next < count; next += 1) {
    const at = found[next] ?? 0;
    const column = at % columns;
    if (column > 0) look(at - 1);
    if (column < columns - 1) look(at + 1);
    if (at >= columns) look(at - columns);
    if (at + columns < columns * rows) look(at + columns);
  }
  return found.slice(0, count);
}

/** What a frame's mask becomes where `at`; only what really changes. Null when nothing does. */
export function patchOf(
  index: number,
  mask: Uint8Array,
  at: Iterable<number>,
  become: (before: number) => number,
): Patch | null {
  const changed: number[] = [];
  for (const each of at) if (become(mask[each] ?? 0) !== mask[each]) changed.push(each);
  if (changed.length === 0) return null;
  const before = Uint8Array.from(changed, (each) => mask[each] ?? 0);
  return { index, at: Uint32Array.from(changed), before, after: before.map(become) };
}

export function applyPatch(mask: Uint8Array, { at, before, after }: Patch, isForward: boolean): void {
  const values = isForward ? after : before;
  at.forEach((each, index) => {
    mask[each] = values[index] ?? 0;
  });
}

/** How many pixels have each number. */
export function countsOf(mask: Uint8Array): Uint32Array {
  const counts = new Uint32Array(256);
  for (const value of mask) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Squared distances along a line to the nearest 0 of `f` (Felzenszwalb and Huttenlocher). */
function distancesAlong(f: Float64Array, scale: number): Float64Array {
  const count = f.length;
  const places = new Int32Array(count);
  const bounds = new Float64Array(count + 1);
  const out = new Float64Array(count);
  const s2 = scale * scale;
  let last = -1;
  for (let q = 0; q < count; q += 1) {
    if (!Number.isFinite(f[q])) continue;
    let meet = -Infinity;
    while (last >= 0) {
      const p = places[last] ?? 0;
      meet = ((f[q] ?? 0) + s2 * q * q - ((f[p] ?? 0) + s2 * p * p)) / (2 * s2 * (q - p));
      if (meet > (bounds[last] ?? 0)) break;
      last -= 1;
    }
    last += 1;
    places[last] = q;
    bounds[last] = last === 0 ? -Infinity : meet;
  }
  if (last < 0) return out.fill(Infinity);
  let nearest = 0;
  for (let q = 0; q < count; q += 1) {
    while (nearest < last && (bounds[nearest + 1] ?? 0) < q) nearest += 1;
    const p = places[nearest] ?? 0;
    out[q] = s2 * (q - p) ** 2 + (f[p] ?? 0);
  }
  return out;
}

function distancesTo(
  isGoal: (at: number) => boolean,
  { columns, rows }: Extent,
  aspect: number,
): Float64Array {
  const field = Float64Array.from({ length: columns * rows }, (_, at) => (isGoal(at) ? 0 : Infinity));
  for (let column = 0; column < columns; column += 1) {
    const line = Float64Array.from({ length: rows }, (_, row) => field[row * columns + column] ?? Infinity);
    distancesAlong(line, aspect).forEach((value, row) => (field[row * columns + column] = value));
  }
  for (let row = 0; row < rows; row += 1)
    field.set(distancesAlong(field.slice(row * columns, (row + 1) * columns), 1), row * columns);
  return field.map(Math.sqrt);
}

/** How deep each pixel lies inside a segment (positive) or away from it, in widths of a pixel. */
export function depthsOf(mask: Uint8Array, number: number, extent: Extent, aspect: number): Float64Array {
  const outside = distancesTo((at) => mask[at] === number, extent, aspect);
  const inside = distancesTo((at) => mask[at] !== number, extent, aspect);
  return inside.map((depth, at) => (depth > 0 ? depth - 0.5 : 0.5 - (outside[at] ?? 0)));
}

/** Fills the frames between those that have a segment with shapes between theirs. Pixels of other segments stay. */
export function interpolated(
  masks: ReadonlyMap<number, Uint8Array>,
  number: number,
  extent: Extent,
  aspect: number,
): Patch[] {
  const having = [...masks].filter(([, mask]) => mask.includes(number)).map(([index]) => index);
  having.sort((a, b) => a - b);
  const patches: Patch[] = [];
  having.slice(1).forEach((to, each) => {
    const from = having[each] ?? 0;
    const [first, last] = [masks.get(from), masks.get(to)];
    if (to - from < 2 || !first || !last) return;
    const [start, end] = [first, last].map((mask) => depthsOf(mask, number, extent, aspect));
    for (let index = from + 1; index < to; index += 1) {
      const share = (index - from) / (to - from);
      const mask = masks.get(index) ?? new Uint8Array(extent.columns * extent.rows);
      const inside: number[] = [];
      mask.forEach((value, at) => {
        if (value === 0 && (start?.[at] ?? 0) * (1 - share) + (end?.[at] ?? 0) * share > 0) inside.push(at);
      });
      const patch = patchOf(index, mask, inside, () => number);
      if (patch) patches.push(patch);
    }
  });
  return patches;
}
