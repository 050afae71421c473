/**
 * On which images lies what a report draws in space (SCOORD3D, PS3.3 C.18.9): of each stack of its Frame of Reference
 * the slice that holds all its points within half a slice thickness, and every slice that cuts an ellipsoid.
 */
import type { DisplaySet, StackDisplaySet } from '../../data/displaySets';
import type { Frame } from '../../data/frames';
import type { Geometry } from '../../data/orientation';
import {
  distanceTo,
  frameOfReferenceOf,
  isPlaced,
  normalOfGeometry,
  subtract,
  worldToImage,
} from '../../data/places';
import { add, cross, dot, length, normalized, type Point2, scale, type Vector3 } from '../../data/vectors';
import { geometryOf } from '../../engine/geometry';
import type { Annotation, MarkKind } from './model';
import type { ReportedShape } from './wire';

export interface Placed {
  annotation: Annotation;
  stackId: string;
  /** It lies in the plane of the image, so that a copy of it on the image is the same. */
  isInPlane: boolean;
}

/** Where images do not say how thick they are. */
const THICKNESS_MM = 1;
/** Slices at one place, as those of a time series, all show it. */
const SAME_MM = 1e-3;
const IN_PLANE_MM = 0.1;

interface Slice {
  frame: Frame;
  geometry: Geometry;
}

const vectorOf = ([x, y, z]: readonly number[]): Vector3 => [x ?? 0, y ?? 0, z ?? 0];

function slicesOf(stack: StackDisplaySet, frameOfReferenceUid: string): Slice[] {
  return stack.frames.flatMap((frame) => {
    if (!isPlaced(frame) || frameOfReferenceOf(frame) !== frameOfReferenceUid) return [];
    const geometry = geometryOf(frame);
    return geometry ? [{ frame, geometry }] : [];
  });
}

/** How far the farthest of some points lies from a slice. */
const reachOf = ({ geometry }: Slice, points: readonly Vector3[]): number =>
  Math.max(...points.map((point) => Math.abs(distanceTo(geometry, point))));

function slicesWith(slices: readonly Slice[], points: readonly Vector3[]): Slice[] {
  const reaches = slices.map((slice) => reachOf(slice, points));
  const nearest = Math.min(...reaches);
  return slices.filter(({ frame }, at) => {
    const reach = reaches[at] ?? Number.POSITIVE_INFINITY;
    const half = (frame.sliceThickness ?? THICKNESS_MM) / 2;
    return reach <= Math.max(half, IN_PLANE_MM / 2) + SAME_MM && reach <= nearest + SAME_MM;
  });
}

/** The kinds of ours that are true to a graphic, each with its points. */
function partsOf({ graphicType, points, values }: ReportedShape): { kind: MarkKind; points: Vector3[] }[] {
  const all = points.map(vectorOf);
  const [first, last] = [all[0], all.at(-1)];
  const isClosed = all.length > 3 && first && last && length(subtract(first, last)) < SAME_MM;
  const opened = isClosed ? all.slice(0, -1) : all;
  if (graphicType === 'POINT' || graphicType === 'MULTIPOINT')
    return all.map((point) => ({ kind: 'probe', points: [point] }));
  if (graphicType === 'ELLIPSE') return [{ kind: 'ellipse', points: all }];
  if (graphicType === 'POLYGON' || isClosed) return [{ kind: 'freehand', points: opened }];
  if (all.length === 2) return [{ kind: 'length', points: all }];
  const isAngle = values.some(({ name }) => name === 'angle');
  if (isAngle && all.length === 3) return [{ kind: 'angle', points: all }];
  if (isAngle && all.length === 4) return [{ kind: 'cobb', points: all }];
  return [{ kind: 'polyline', points: all }];
}

/** The ends of both axes of the ellipse in which a plane cuts an ellipsoid; null where it does not. */
export function cutThrough(ends: readonly Vector3[], geometry: Geometry): Vector3[] | null {
  const [a, b, c, d, e, f] = ends;
  if (!a || !b || !c || !d || !e || !f) return null;
  const centre = scale(ends.reduce(add), 1 / ends.length);
  const axes = [subtract(b, a), subtract(d, c), subtract(f, e)].map((axis) => scale(axis, 0.5));
  // A point of the ellipsoid is centre + axes * s with |s| = 1; the plane asks that m * s be the distance.
  const normal = normalOfGeometry(geometry);
  const m = axes.map((axis) => dot(axis, normal)) as unknown as Vector3;
  const size = length(m);
  const distance = -distanceTo(geometry, centre);
  if (size === 0 || Math.abs(distance) >= size) return null;
  const inSpace = (s: Vector3): Vector3 =>
    axes.reduce<Vector3>((sum, axis, at) => add(sum, scale(axis, s[at] ?? 0)), [0, 0, 0]);
  const along = scale(m, 1 / size);
  const least = along.map(Math.abs).indexOf(Math.min(...along.map(Math.abs)));
  const other = [0, 1, 2].map((at) => (at === least ? 1 : 0)) as unknown as Vector3;
  const first = normalized(subtract(other, scale(along, dot(other, along))));
  const second = cross(along, first);
  const radius = Math.sqrt(1 - (distance / size) ** 2);
  const middle = add(centre, inSpace(scale(along, distance / size)));
  const [p, q] = [inSpace(scale(first, radius)), inSpace(scale(second, radius))];
  const turn = Math.atan2(2 * dot(p, q), dot(p, p) - dot(q, q)) / 2;
  const long = add(scale(p, Math.cos(turn)), scale(q, Math.sin(turn)));
  const short = add(scale(p, -Math.sin(turn)), scale(q, Math.cos(turn)));
  return [subtract(middle, long), add(middle, long), subtract(middle, short), add(middle, short)];
}

/** A shape as marks on the images that are here. */
export function placedOf(shape: ReportedShape, displaySets: readonly DisplaySet[]): Placed[] {
  const placed: Placed[] = [];
  const put = (
    stackId: string,
    { frame, geometry }: Slice,
    kind: MarkKind,
    points: Vector3[],
    isInPlane: boolean,
  ) =>
    placed.push({
      stackId,
      isInPlane,
      annotation: {
        uid: `${shape.uid}/${placed.length + 1}`,
        kind,
        seriesInstanceUid: frame.instance.seriesInstanceUid,
        sopInstanceUid: frame.instance.sopInstanceUid,
        frameNumber: frame.frameNumber,
        points: points.map((point): Point2 => {
          const [column, row] = worldToImage(geometry, point);
          return [column + 0.5, row + 0.5];
        }),
        controls: null,
        label: shape.label,
        isHidden: false,
        textAt: null,
        values: shape.values,
        spacing: null,
        knownMm: null,
      },
    });
  for (const stack of displaySets) {
    // Planes that the viewer cut are no images of the archive.
    if (stack.kind !== 'stack' || stack.derived) continue;
    const slices = slicesOf(stack, shape.frameOfReferenceUid);
    if (slices.length === 0) continue;
    if (shape.graphicType === 'ELLIPSOID') {
      const ends = shape.points.map(vectorOf);
      for (const slice of slices) {
        const cut = cutThrough(ends, slice.geometry);
        if (cut) put(stack.id, slice, 'ellipse', cut, false);
      }
      continue;
    }
    for (const { kind, points } of partsOf(shape))
      for (const slice of slicesWith(slices, points)) {
        const distances = points.map((point) => distanceTo(slice.geometry, point));
        const isInPlane = Math.max(...distances) - Math.min(...distances) <= IN_PLANE_MM;
        put(stack.id, slice, kind, points, isInPlane);
      }
  }
  return placed;
}

/** What becomes a copy on images: of each shape the part on the preferred stack, else on the first that shows it. */
export function copiesOf(placed: readonly Placed[], preferred: string | null): Annotation[] {
  const found = placed.filter(({ isInPlane }) => isInPlane);
  const stack = found.some(({ stackId }) => stackId === preferred) ? preferred : found[0]?.stackId;
  return found.filter(({ stackId }) => stackId === stack).map(({ annotation }) => annotation);
}

const known = new WeakMap<ReportedShape, { sets: unknown; placed: Placed[] }>();

/** As `placedOf`; the same objects again while the display sets are the same. */
export function placedAmong(shape: ReportedShape, displaySets: Record<string, DisplaySet>): Placed[] {
  const found = known.get(shape);
  if (found?.sets === displaySets) return found.placed;
  const placed = placedOf(shape, Object.values(displaySets));
  known.set(shape, { sets: displaySets, placed });
  return placed;
}
