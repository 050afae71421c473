/** Values of a volume anywhere: at a point, on a plane, through a slab. Linear between voxels. */
import type { Geometry } from './orientation';
import { normalOfGeometry, subtract } from './places';
import { add, dot, scale, type Vector3 } from './vectors';
import type { Grid } from './volume';

export type Samples =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface Volume {
  grid: Grid;
  /** One for each slice, row by row: those of the images, not copies. */
  slices: Samples[];
  /** The least value: what is shown where the volume does not reach. */
  least: number;
  most: number;
}

export const SLAB_MODES = ['mean', 'max', 'min'] as const;
export type SlabMode = (typeof SLAB_MODES)[number];

export interface Slab {
  /** 0 is a plane without thickness. */
  thicknessMm: number;
  mode: SlabMode;
}

export const THIN: Slab = { thicknessMm: 0, mode: 'mean' };

/** Column, row and slice index of a point, with fractions. */
export function indexAt({ origin, axes, spacing }: Grid, world: Vector3): Vector3 {
  const from = subtract(world, origin);
  return [dot(from, axes[0]) / spacing[0], dot(from, axes[1]) / spacing[1], dot(from, axes[2]) / spacing[2]];
}

export function worldAt({ origin, axes, spacing }: Grid, [i, j, k]: Vector3): Vector3 {
  return add(
    origin,
    add(scale(axes[0], i * spacing[0]), add(scale(axes[1], j * spacing[1]), scale(axes[2], k * spacing[2]))),
  );
}

/** The eight corners of the volume, at the outer edges of its voxels. */
export function cornersOf(grid: Grid): Vector3[] {
  const ends = grid.size.map((count): [number, number] => [-0.5, count - 0.5]);
  return [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    worldAt(grid, [
      ends[0]?.[corner & 1] ?? 0,
      ends[1]?.[(corner >> 1) & 1] ?? 0,
      ends[2]?.[(corner >> 2) & 1] ?? 0,
    ]),
  );
}

/** The value at an index with fractions; NaN outside. Voxels reach half a step beyond their centres. */
function sample(slices: Samples[], size: Vector3, i: number, j: number, k: number): number {
  const [columns, rows, count] = size;
  if (i < -0.5 || j < -0.5 || k < -0.5 || i > columns - 0.5 || j > rows - 0.5 || k > count - 0.5) return NaN;
  const x = i < 0 ? 0 : i > columns - 1 ? columns - 1 : i;
  const y = j < 0 ? 0 : j > rows - 1 ? rows - 1 : j;
  const z = k < 0 ? 0 : k > count - 1 ? count - 1 : k;
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const z0 = Math.floor(z);
  const fx = x - x0;
  const fy = y - y0;
  const fz = z - z0;
  const right = fx > 0 ? 1 : 0;
  const at = y0 * columns + x0;
  const below = fy > 0 ? at + columns : at;
  const near = slices[z0] as Samples;
  let value =
    ((near[at] as number) * (1 - fx) + (near[at + right] as number) * fx) * (1 - fy) +
    ((near[below] as number) * (1 - fx) + (near[below + right] as number) * fx) * fy;
  if (fz > 0) {
    const far = slices[z0 + 1] as Samples;
    const other =
      ((far[at] as number) * (1 - fx) + (far[at + right] as number) * fx) * (1 - fy) +
      ((far[below] as number) * (1 - fx) + (far[below + right] as number) * fx) * fy;
    value = value * (1 - fz) + other * fz;
  }
  return value;
}

/** The value at a point of the patient; null outside of the volume. */
export function valueAt({ grid, slices }: Volume, world: Vector3): number | null {
  const value = sample(slices, grid.size, ...indexAt(grid, world));
  return Number.isNaN(value) ? null : value;
}

/** Distance between the samples through a slab: the finest step of the volume. */
const stepThrough = (grid: Grid): number => Math.min(...grid.spacing);

/**
 * The values of a plane, row by row; with a slab the mean, greatest or least through its thickness, of what lies within
 * the volume. Whole numbers stay whole, in the type of the volume, which needs half the memory of fractions.
 */
export function reslice(volume: Volume, geometry: Geometry, slab: Slab = THIN): Samples {
  const { grid, slices, least } = volume;
  const { columns, rows } = geometry;
  const kind = slices[0];
  const isWhole = !(kind instanceof Float32Array || kind instanceof Float64Array);
  const output =
    isWhole && kind
      ? new (kind.constructor as new (n: number) => Samples)(columns * rows)
      : new Float32Array(columns * rows);
  const normal = normalOfGeometry(geometry);
  const start = indexAt(grid, geometry.position);
  const toIndex = (direction: Vector3, spacing: number): Vector3 => [
    (dot(direction, grid.axes[0]) * spacing) / grid.spacing[0],
    (dot(direction, grid.axes[1]) * spacing) / grid.spacing[1],
    (dot(direction, grid.axes[2]) * spacing) / grid.spacing[2],
  ];
  const right = toIndex(geometry.rowDirection, geometry.columnSpacing);
  const down = toIndex(geometry.columnDirection, geometry.rowSpacing);
  const count = slab.thicknessMm > 0 ? Math.max(1, Math.round(slab.thicknessMm / stepThrough(grid)) + 1) : 1;
  const through = toIndex(normal, count > 1 ? slab.thicknessMm / (count - 1) : 0);
  const { mode } = slab;
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let i = start[0] + column * right[0] + row * down[0] - ((count - 1) / 2) * through[0];
      let j = start[1] + column * right[1] + row * down[1] - ((count - 1) / 2) * through[1];
      let k = start[2] + column * right[2] + row * down[2] - ((count - 1) / 2) * through[2];
      let result = NaN;
      let inside = 0;
      for (let each = 0; each < count; each += 1) {
        const value = sample(slices, grid.size, i, j, k);
        if (value === value) {
          if (inside === 0) result = value;
          else if (mode === 'mean') result += value;
          else if (mode === 'max' ? value > result : value < result) result = value;
          inside += 1;
        }
        i += through[0];
        j += through[1];
        k += through[2];
      }
      const found = inside === 0 ? least : mode === 'mean' ? result / inside : result;
      output[row * columns + column] = isWhole ? Math.round(found) : found;
    }
  }
  return output;
}
