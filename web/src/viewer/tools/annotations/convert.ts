/** Between our marks and the objects that Cornerstone's tools draw and change. */
import { splines } from '@cornerstonejs/tools';
import type { Frame } from '../../data/frames';
import { type Geometry, imageToWorld } from '../../data/orientation';
import { cross, dot, type Point2, type Vector3 } from '../../data/vectors';
import { geometryOf } from '../../engine/geometry';
import { type Annotation, type MarkKind, simplified } from './model';

/** Names of the tools by kind. A calibration is a length with a meaning of its own. */
export const TOOL_NAMES: Record<MarkKind, string> = {
  length: 'Length',
  bidirectional: 'Bidirectional',
  angle: 'Angle',
  cobb: 'CobbAngle',
  ellipse: 'EllipticalROI',
  circle: 'CircleROI',
  rectangle: 'RectangleROI',
  freehand: 'PlanarFreehandROI',
  spline: 'SplineROI',
  livewire: 'LivewireContour',
  polyline: 'FilmlessPolyline',
  probe: 'Probe',
  arrow: 'ArrowAnnotate',
  calibration: 'FilmlessCalibration',
};

const KINDS = new Map(Object.entries(TOOL_NAMES).map(([kind, name]) => [name, kind as MarkKind]));

export const kindOf = (toolName: string): MarkKind | undefined => KINDS.get(toolName);

/** Of a pixel; outlines are drawn with far more points than they need. */
const OUTLINE_TOLERANCE = 0.02;
/** Of a pixel: less is rounding. */
const SAME = 1e-4;

type World = [number, number, number];

export interface Drawn {
  annotationUID: string;
  highlighted?: boolean;
  invalidated?: boolean;
  isVisible?: boolean;
  metadata: Record<string, unknown> & {
    toolName: string;
    referencedImageId?: string;
    multiSliceReference?: { referencedImageId: string };
  };
  data: {
    label?: string;
    handles: {
      points: World[];
      activeHandleIndex?: number | null;
      textBox?: {
        hasMoved: boolean;
        worldPosition: World;
        worldBoundingBox: Record<'topLeft' | 'topRight' | 'bottomLeft' | 'bottomRight', World>;
      };
    };
    /** What a report says of the mark; it is not measured again. */
    lines?: string[];
    cachedStats?: Record<string, unknown>;
    contour?: { polyline: World[]; closed: boolean };
    spline?: { type: string; instance: unknown };
  };
}

/** In our image coordinates: 0.5 is the centre of the first pixel. */
export function toImage(geometry: Geometry, world: readonly number[]): Point2 {
  const relative: Vector3 = [
    (world[0] ?? 0) - geometry.position[0],
    (world[1] ?? 0) - geometry.position[1],
    (world[2] ?? 0) - geometry.position[2],
  ];
  return [
    dot(relative, geometry.rowDirection) / geometry.columnSpacing + 0.5,
    dot(relative, geometry.columnDirection) / geometry.rowSpacing + 0.5,
  ];
}

export function toWorld(geometry: Geometry, [column, row]: Point2): World {
  return [...imageToWorld(geometry, [column - 0.5, row - 0.5])];
}

const OUTLINES: ReadonlySet<MarkKind> = new Set<MarkKind>(['freehand', 'spline', 'livewire', 'polyline']);
/** Outlines without handles. */
const BY_HAND: ReadonlySet<MarkKind> = new Set<MarkKind>(['freehand', 'polyline']);

/** The points of a mark as its tool keeps them; null while it has not all of them. */
export function pointsOf(
  kind: MarkKind,
  data: Drawn['data'],
  geometry: Geometry,
): { points: Point2[]; controls: Point2[] | null } | null {
  const handles = data.handles.points.map((point) => toImage(geometry, point));
  if (OUTLINES.has(kind)) {
    const outline = (data.contour?.polyline ?? []).map((point) => toImage(geometry, point));
    if (outline.length < (kind === 'polyline' ? 2 : 3)) return null;
    return {
      points: simplified(outline, OUTLINE_TOLERANCE),
      controls: BY_HAND.has(kind) ? null : handles,
    };
  }
  if (kind === 'rectangle') {
    const [topLeft, topRight, bottomLeft, bottomRight] = handles;
    if (!topLeft || !topRight || !bottomLeft || !bottomRight) return null;
    return { points: [topLeft, topRight, bottomRight, bottomLeft], controls: null };
  }
  return { points: handles, controls: null };
}

function handlesOf({ kind, points, controls }: Annotation, geometry: Geometry): World[] {
  const world = points.map((point) => toWorld(geometry, point));
  if (BY_HAND.has(kind)) return [];
  if (kind === 'spline' || kind === 'livewire')
    return (controls ?? points).map((point) => toWorld(geometry, point));
  if (kind === 'rectangle') {
    const [first, second, third, fourth] = world as [World, World, World, World];
    return [first, second, fourth, third];
  }
  return world;
}

/**
 * The image that a mark lies on, whether it is shown as stored or subtracted: the last slice it lies on is named too, as
 * Cornerstone looks only then for other images of the same frame.
 */
export const lyingOn = ({
  imageId,
}: Frame): Pick<Drawn['metadata'], 'referencedImageId' | 'multiSliceReference'> => ({
  referencedImageId: imageId,
  multiSliceReference: { referencedImageId: imageId },
});

/** What the tool draws for a mark. */
export function drawnOf(annotation: Annotation, frame: Frame, drawnUid: string): Drawn | null {
  const geometry = geometryOf(frame);
  if (!geometry) return null;
  const { kind, label, textAt, isHidden } = annotation;
  const nowhere: World = [0, 0, 0];
  const textPosition = textAt ? toWorld(geometry, textAt) : nowhere;
  const drawn: Drawn = {
    annotationUID: drawnUid,
    highlighted: false,
    invalidated: true,
    isVisible: !isHidden,
    metadata: {
      toolName: TOOL_NAMES[kind],
      ...lyingOn(frame),
      FrameOfReferenceUID: frame.instance.dataset['00200052']?.Value?.[0] ?? frame.instance.sopInstanceUid,
      viewPlaneNormal: [...cross(geometry.rowDirection, geometry.columnDirection)],
      viewUp: geometry.columnDirection.map((each) => -each),
    },
    data: {
      label,
      handles: {
        points: handlesOf(annotation, geometry),
        activeHandleIndex: null,
        textBox: {
          hasMoved: textAt !== null,
          worldPosition: textPosition,
          worldBoundingBox: {
            topLeft: nowhere,
            topRight: nowhere,
            bottomLeft: nowhere,
            bottomRight: nowhere,
          },
        },
      },
      cachedStats: {},
    },
  };
  if (OUTLINES.has(kind)) {
    drawn.data.contour = {
      polyline: annotation.points.map((point) => toWorld(geometry, point)),
      closed: kind !== 'polyline',
    };
  }
  if (kind === 'spline') drawn.data.spline = { type: 'CATMULLROM', instance: new splines.CatmullRomSpline() };
  return drawn;
}

const isNear = (one: readonly Point2[] | null, other: readonly Point2[] | null): boolean =>
  one === other ||
  (one !== null &&
    other !== null &&
    one.length === other.length &&
    one.every(
      (point, index) =>
        Math.abs(point[0] - (other[index]?.[0] ?? Number.NaN)) < SAME &&
        Math.abs(point[1] - (other[index]?.[1] ?? Number.NaN)) < SAME,
    ));

/** The mark after the reader has changed what is drawn; the same object when nothing moved. */
export function changedBy(annotation: Annotation, drawn: Drawn, frame: Frame): Annotation {
  const geometry = geometryOf(frame);
  const found = geometry && pointsOf(annotation.kind, drawn.data, geometry);
  if (!geometry || !found) return annotation;
  const { textBox } = drawn.data.handles;
  const textAt = textBox?.hasMoved ? toImage(geometry, textBox.worldPosition) : null;
  const isText = annotation.kind === 'arrow' && (drawn.data.label ?? '') !== annotation.label;
  const hasTextMoved = !isNear(textAt && [textAt], annotation.textAt && [annotation.textAt]);
  // An outline with handles is their consequence: it is compared by them.
  const hasMoved = found.controls
    ? !isNear(found.controls, annotation.controls)
    : !isNear(found.points, annotation.points);
  if (!isText && !hasTextMoved && !hasMoved) return annotation;
  return {
    ...annotation,
    points: hasMoved ? found.points : annotation.points,
    controls: hasMoved ? found.controls : annotation.controls,
    label: isText ? (drawn.data.label ?? '') : annotation.label,
    textAt,
  };
}
