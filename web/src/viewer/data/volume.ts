/**
 * A stack as a volume: a regular grid of values in the patient. Whether it is one is checked, not hoped: planes cut from a
 * stack with a missing slice or a leaning gantry would show what is not there.
 */
import type { Frame } from './frames';
import { frameOfReferenceOf, subtract } from './places';
import { add, cross, dot, length, normalized, scale, type Vector3 } from './vectors';

const SLICES_MIN = 3;
/** How far directions may differ between slices; scanners round them to six decimals or fewer. */
const ORIENTATION_TOLERANCE = 1e-3;
/** Share of the spacing by which a slice may lie off its place: positions are rounded in files. */
const SPACING_TOLERANCE = 0.05;
/** A step this much longer than the usual one is a gap that a slice is missing from. */
const MISSING_FROM = 1.6;
const TILT_TOLERANCE_DEGREES = 0.2;

export interface Grid {
  /** Of columns, rows and slices. */
  size: Vector3;
  /** In mm between columns, rows and slices. */
  spacing: Vector3;
  /** Directions of increasing column, row and slice index: at right angles, of length 1. */
  axes: readonly [Vector3, Vector3, Vector3];
  /** Centre of the first voxel. */
  origin: Vector3;
}

export type Irregularity =
  | { kind: 'tooFew'; count: number }
  | { kind: 'colour' }
  | { kind: 'noPlace' }
  | { kind: 'noSpacing' }
  | { kind: 'mixedSizes' }
  | { kind: 'mixedOrientation'; degrees: number }
  | { kind: 'severalFrames' }
  | { kind: 'samePlace'; at: number }
  | { kind: 'gantryTilt'; degrees: number }
  | { kind: 'missingSlice'; from: number; to: number; usual: number }
  | { kind: 'unevenSpacing'; least: number; most: number };

export type Regularity =
  /** `order` has the indices of the frames along the grid's third axis. */
  { kind: 'regular'; grid: Grid; order: number[] } | { kind: 'irregular'; why: Irregularity };

const irregular = (why: Irregularity): Regularity => ({ kind: 'irregular', why });
const degreesOf = (radians: number): number => (radians * 180) / Math.PI;
const angleBetween = (a: Vector3, b: Vector3): number =>
  degreesOf(Math.acos(Math.min(1, Math.max(-1, dot(a, b)))));

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

interface Placed {
  index: number;
  position: Vector3;
  distance: number;
}

/** Whether images of one kind lie on parallel planes of one size; their common directions when they do. */
function commonPlane(frames: Frame[]): { along: Vector3; down: Vector3 } | Irregularity {
  const [first] = frames;
  if (!first || frames.length < SLICES_MIN) return { kind: 'tooFew', count: frames.length };
  const { rowDirection, columnDirection, rowSpacing, columnSpacing } = first.plane;
  const { pixels } = first.instance;
  if (!pixels || pixels.samplesPerPixel > 1 || pixels.photometricInterpretation === 'PALETTE COLOR')
    return { kind: 'colour' };
  if (!rowDirection || !columnDirection) return { kind: 'noPlace' };
  if (first.plane.spacingSource !== 'patient') return { kind: 'noSpacing' };
  const uid = frameOfReferenceOf(first);
  for (const { plane, instance } of frames) {
    if (!plane.position || !plane.rowDirection || !plane.columnDirection) return { kind: 'noPlace' };
    if (instance.pixels?.rows !== pixels.rows || instance.pixels.columns !== pixels.columns)
      return { kind: 'mixedSizes' };
    if (
      Math.abs(plane.rowSpacing - rowSpacing) > SPACING_TOLERANCE * 0.1 * rowSpacing ||
      Math.abs(plane.columnSpacing - columnSpacing) > SPACING_TOLERANCE * 0.1 * columnSpacing
    )
      return { kind: 'mixedSizes' };
    const degrees = Math.max(
      angleBetween(plane.rowDirection, rowDirection),
      angleBetween(plane.columnDirection, columnDirection),
    );
    if (degrees > degreesOf(ORIENTATION_TOLERANCE)) return { kind: 'mixedOrientation', degrees };
  }
  if (frames.some((frame) => frameOfReferenceOf(frame) !== uid)) return { kind: 'severalFrames' };
  return { along: rowDirection, down: columnDirection };
}

/** Whether a stack is a regular volume, and if not, why. */
export function regularityOf(frames: Frame[]): Regularity {
  const plane = commonPlane(frames);
  if ('kind' in plane) return irregular(plane);
  const { along, down } = plane;
  const normal = normalized(cross(along, down));
  const placed = frames
    .map((frame, index): Placed => {
      const position = frame.plane.position ?? [0, 0, 0];
      return { index, position, distance: dot(position, normal) };
    })
    .sort((a, b) => a.distance - b.distance);
  const steps = placed.slice(1).map((each, index) => each.distance - (placed[index]?.distance ?? 0));
  const usual = median(steps);
  const repeated = steps.findIndex((step) => step < 1e-3 || step < 0.01 * usual);
  if (repeated >= 0) return irregular({ kind: 'samePlace', at: placed[repeated]?.distance ?? 0 });

  const [first, last] = [placed[0], placed.at(-1)];
  const spec = frames[0]?.plane;
  if (!first || !last || !spec) return irregular({ kind: 'tooFew', count: frames.length });
  const way = subtract(last.position, first.position);
  const aside = add(way, scale(normal, -dot(way, normal)));
  const degrees = degreesOf(Math.atan2(length(aside), dot(way, normal)));
  if (degrees > TILT_TOLERANCE_DEGREES) return irregular({ kind: 'gantryTilt', degrees });

  const gap = steps.findIndex((step) => step > MISSING_FROM * usual);
  if (gap >= 0) {
    return irregular({
      kind: 'missingSlice',
      from: placed[gap]?.distance ?? 0,
      to: placed[gap + 1]?.distance ?? 0,
      usual,
    });
  }
  const spacing = (last.distance - first.distance) / (placed.length - 1);
  const isUneven = placed.some(
    ({ distance }, index) =>
      Math.abs(distance - first.distance - index * spacing) > SPACING_TOLERANCE * spacing,
  );
  if (isUneven)
    return irregular({ kind: 'unevenSpacing', least: Math.min(...steps), most: Math.max(...steps) });
  const pixels = frames[0]?.instance.pixels;
  return {
    kind: 'regular',
    order: placed.map(({ index }) => index),
    grid: {
      size: [pixels?.columns ?? 0, pixels?.rows ?? 0, placed.length],
      spacing: [spec.columnSpacing, spec.rowSpacing, spacing],
      axes: [along, normalized(cross(normal, along)), normal],
      origin: first.position,
    },
  };
}
