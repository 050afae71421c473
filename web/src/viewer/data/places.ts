/** Where images lie to each other in the patient: which slice passes a point, where two planes cross. */
import { text } from './dicomJson';
import type { Frame } from './frames';
import { type Geometry, imageToWorld } from './orientation';
import { add, cross, dot, length, normalized, type Point2, scale, type Vector3 } from './vectors';

/** Planes that lean less than this to each other count as parallel. */
const PARALLEL_COSINE = Math.cos((2 * Math.PI) / 180);

export const subtract = (a: Vector3, b: Vector3): Vector3 => add(a, scale(b, -1));

/** Images with the same Frame of Reference UID share one system of coordinates (PS3.3 C.7.4.1). */
export const frameOfReferenceOf = (frame: Frame): string => text(frame.instance.dataset, '00200052');

export const isPlaced = (frame: Frame): boolean =>
  frame.plane.position !== null && frame.plane.rowDirection !== null && frame.plane.columnDirection !== null;

export const normalOfGeometry = ({ rowDirection, columnDirection }: Geometry): Vector3 =>
  normalized(cross(rowDirection, columnDirection));

export const isParallel = (a: Vector3, b: Vector3): boolean => Math.abs(dot(a, b)) >= PARALLEL_COSINE;

/** Column and row (0 is the centre of the first pixel) of the image point below or above a point of the patient. */
export function worldToImage(geometry: Geometry, world: Vector3): Point2 {
  const from = subtract(world, geometry.position);
  return [
    dot(from, geometry.rowDirection) / geometry.columnSpacing,
    dot(from, geometry.columnDirection) / geometry.rowSpacing,
  ];
}

export const middleOf = (geometry: Geometry): Vector3 =>
  imageToWorld(geometry, [(geometry.columns - 1) / 2, (geometry.rows - 1) / 2]);

/** Distance in mm of a point from the plane, along its normal. */
export const distanceTo = (geometry: Geometry, world: Vector3): number =>
  dot(subtract(world, geometry.position), normalOfGeometry(geometry));

/** The frame whose plane is nearest to a point, and how far it is in mm; null when none has a place. */
export function nearestFrame(frames: Frame[], world: Vector3): { index: number; distance: number } | null {
  let nearest: { index: number; distance: number } | null = null;
  frames.forEach(({ plane: { position, rowDirection, columnDirection } }, index) => {
    if (!position || !rowDirection || !columnDirection) return;
    const normal = normalized(cross(rowDirection, columnDirection));
    const distance = Math.abs(dot(subtract(world, position), normal));
    if (!nearest || distance < nearest.distance) nearest = { index, distance };
  });
  return nearest;
}

/**
 * Where the image `source` cuts the plane of `target`: two points in pixels of `target`, as long as `source` reaches.
 * Null for parallel planes, and when `source` ends before it gets there.
 */
export function crossing(target: Geometry, source: Geometry): [Point2, Point2] | null {
  const normal = normalOfGeometry(target);
  const other = normalOfGeometry(source);
  if (isParallel(normal, other)) return null;
  const direction = cross(normal, other);
  const size = dot(direction, direction);
  const point = scale(
    add(
      scale(cross(other, direction), dot(normal, target.position)),
      scale(cross(direction, normal), dot(other, source.position)),
    ),
    1 / size,
  );
  // The part of the line within the rectangle of `source`, edges of its outer pixels included.
  let from = -Infinity;
  let to = Infinity;
  const start = worldToImage(source, point);
  const next = worldToImage(source, add(point, direction));
  const bounds = [source.columns, source.rows];
  for (const axis of [0, 1] as const) {
    const step = next[axis] - start[axis];
    const low = -0.5 - start[axis];
    const high = (bounds[axis] ?? 0) - 0.5 - start[axis];
    if (Math.abs(step) < 1e-9) {
      if (low > 0 || high < 0) return null;
    } else {
      from = Math.max(from, Math.min(low / step, high / step));
      to = Math.min(to, Math.max(low / step, high / step));
    }
  }
  if (!(from < to) || !Number.isFinite(from) || !Number.isFinite(to)) return null;
  return [
    worldToImage(target, add(point, scale(direction, from))),
    worldToImage(target, add(point, scale(direction, to))),
  ];
}

export const distanceBetween = (a: Vector3, b: Vector3): number => length(subtract(a, b));
