/**
 * Where the image stands on the screen: an orientation (turns and mirrorings), a zoom and a centre.
 *
 * The orientation is the 2 x 2 matrix that takes image directions (columns to the right, rows down) to screen
 * directions. Turning or mirroring what is on the screen multiplies it from the left, whatever was done before.
 */
import type { Plane } from './frames';
import { add, cross, scale, type Point2, type Vector3 } from './vectors';

/** [a, b, c, d]: screen right = a * image right + b * image down; screen down = c * image right + d * image down. */
export type Orientation = readonly [number, number, number, number];

export const UPRIGHT: Orientation = [1, 0, 0, 1];

const product = (left: Orientation, right: Orientation): Orientation => [
  left[0] * right[0] + left[1] * right[2] || 0,
  left[0] * right[1] + left[1] * right[3] || 0,
  left[2] * right[0] + left[3] * right[2] || 0,
  left[2] * right[1] + left[3] * right[3] || 0,
];

/** A quarter turn clockwise as seen on the screen. */
export const rotatedRight = (orientation: Orientation): Orientation => product([0, -1, 1, 0], orientation);
export const rotatedLeft = (orientation: Orientation): Orientation => product([0, 1, -1, 0], orientation);
export const flippedHorizontally = (orientation: Orientation): Orientation =>
  product([-1, 0, 0, 1], orientation);
export const flippedVertically = (orientation: Orientation): Orientation =>
  product([1, 0, 0, -1], orientation);

export const isMirrored = (orientation: Orientation): boolean =>
  orientation[0] * orientation[3] - orientation[1] * orientation[2] < 0;

/** The image direction (in columns, rows) that points right on the screen, and the one that points down. */
export const screenRight = (orientation: Orientation): Point2 => [orientation[0], orientation[1]];
export const screenDown = (orientation: Orientation): Point2 => [orientation[2], orientation[3]];

export interface Geometry {
  columns: number;
  rows: number;
  columnSpacing: number;
  rowSpacing: number;
  rowDirection: Vector3;
  columnDirection: Vector3;
  position: Vector3;
}

export interface Presentation {
  orientation: Orientation;
  /** 1 shows the whole image, as large as it fits. */
  zoom: number;
  /** The image point in the middle of the viewport, as a share of its width and height. */
  center: Point2;
}

export const FITTED: Presentation = { orientation: UPRIGHT, zoom: 1, center: [0.5, 0.5] };

export interface Size {
  width: number;
  height: number;
}

/** Size in mm of the image as it stands on the screen. */
export function sizeOnScreen(geometry: Geometry, orientation: Orientation): Size {
  const width = geometry.columns * geometry.columnSpacing;
  const height = geometry.rows * geometry.rowSpacing;
  const isTurned = Math.abs(orientation[0]) < 0.5;
  return isTurned ? { width: height, height: width } : { width, height };
}

/** Screen pixels per mm when the whole image is shown. */
export function fitScale(geometry: Geometry, orientation: Orientation, viewport: Size): number {
  const size = sizeOnScreen(geometry, orientation);
  return Math.min(viewport.width / size.width, viewport.height / size.height);
}

export function scaleOf(geometry: Geometry, presentation: Presentation, viewport: Size): number {
  return fitScale(geometry, presentation.orientation, viewport) * presentation.zoom;
}

/** The zoom at which one image pixel covers `screenPixels` screen pixels (along columns). */
export function zoomForPixelSize(
  geometry: Geometry,
  orientation: Orientation,
  viewport: Size,
  screenPixels: number,
): number {
  return screenPixels / geometry.columnSpacing / fitScale(geometry, orientation, viewport);
}

export interface Camera {
  focalPoint: Vector3;
  position: Vector3;
  viewUp: Vector3;
  viewPlaneNormal: Vector3;
  /** Half the height of the viewport in mm. */
  parallelScale: number;
  /** From where to where the camera sees, in mm before it: the image lies in the middle. */
  clippingRange: [near: number, far: number];
}

const toWorld = (geometry: Geometry, direction: Point2): Vector3 =>
  add(scale(geometry.rowDirection, direction[0]), scale(geometry.columnDirection, direction[1]));

/** A point given in pixels (0 is the centre of the first pixel) in the patient's coordinates. */
export function imageToWorld(geometry: Geometry, [column, row]: Point2): Vector3 {
  return add(
    geometry.position,
    add(
      scale(geometry.rowDirection, column * geometry.columnSpacing),
      scale(geometry.columnDirection, row * geometry.rowSpacing),
    ),
  );
}

export function centerPixel(geometry: Geometry, presentation: Presentation): Point2 {
  return [presentation.center[0] * geometry.columns - 0.5, presentation.center[1] * geometry.rows - 0.5];
}

export function cameraOf(geometry: Geometry, presentation: Presentation, viewport: Size): Camera {
  const right = toWorld(geometry, screenRight(presentation.orientation));
  const up = scale(toWorld(geometry, screenDown(presentation.orientation)), -1);
  const viewPlaneNormal = cross(right, up);
  const focalPoint = imageToWorld(geometry, centerPixel(geometry, presentation));
  const distance = Math.max(
    1,
    geometry.columns * geometry.columnSpacing + geometry.rows * geometry.rowSpacing,
  );
  return {
    focalPoint,
    position: add(focalPoint, scale(viewPlaneNormal, distance)),
    viewUp: up,
    viewPlaneNormal,
    parallelScale: viewport.height / 2 / scaleOf(geometry, presentation, viewport),
    clippingRange: [distance / 2, distance * 1.5],
  };
}

/** From the viewport's pixels to the image's, 0 being the centre of the first pixel. */
export function canvasToImage(
  geometry: Geometry,
  presentation: Presentation,
  viewport: Size,
  point: Point2,
): Point2 {
  const pixelsPerMm = scaleOf(geometry, presentation, viewport);
  const dx = (point[0] - viewport.width / 2) / pixelsPerMm;
  const dy = (point[1] - viewport.height / 2) / pixelsPerMm;
  const right = screenRight(presentation.orientation);
  const down = screenDown(presentation.orientation);
  const [column, row] = centerPixel(geometry, presentation);
  return [
    column + (dx * right[0] + dy * down[0]) / geometry.columnSpacing,
    row + (dx * right[1] + dy * down[1]) / geometry.rowSpacing,
  ];
}

export function imageToCanvas(
  geometry: Geometry,
  presentation: Presentation,
  viewport: Size,
  point: Point2,
): Point2 {
  const pixelsPerMm = scaleOf(geometry, presentation, viewport);
  const [column, row] = centerPixel(geometry, presentation);
  const x = (point[0] - column) * geometry.columnSpacing * pixelsPerMm;
  const y = (point[1] - row) * geometry.rowSpacing * pixelsPerMm;
  const right = screenRight(presentation.orientation);
  const down = screenDown(presentation.orientation);
  return [viewport.width / 2 + x * right[0] + y * right[1], viewport.height / 2 + x * down[0] + y * down[1]];
}

/** The presentation after the image was dragged by (dx, dy) screen pixels. */
export function panned(
  geometry: Geometry,
  presentation: Presentation,
  viewport: Size,
  [dx, dy]: Point2,
): Presentation {
  const [column, row] = canvasToImage(geometry, presentation, viewport, [
    viewport.width / 2 - dx,
    viewport.height / 2 - dy,
  ]);
  return { ...presentation, center: [(column + 0.5) / geometry.columns, (row + 0.5) / geometry.rows] };
}

const ZOOM_MIN = 0.1;
const ZOOM_MAX = 40;

/** Zooms by a factor; the image point under `anchor` stays where it is. */
export function zoomedAt(
  geometry: Geometry,
  presentation: Presentation,
  viewport: Size,
  factor: number,
  anchor: Point2,
): Presentation {
  const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, presentation.zoom * factor));
  const before = canvasToImage(geometry, presentation, viewport, anchor);
  const zoomed = { ...presentation, zoom };
  const now = imageToCanvas(geometry, zoomed, viewport, before);
  return panned(geometry, zoomed, viewport, [anchor[0] - now[0], anchor[1] - now[1]]);
}

const LETTERS: [string, string][] = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
];

/** Letters of a direction in the patient, the strongest first (PS3.3 C.7.6.1.1.1): `A`, `LP`, at most three. */
export function lettersOf(direction: Vector3): string {
  return direction
    .map((component, axis) => ({ component, letters: LETTERS[axis] ?? ['', ''] }))
    .filter(({ component }) => Math.abs(component) > 0.12)
    .sort((a, b) => Math.abs(b.component) - Math.abs(a.component))
    .map(({ component, letters }) => (component > 0 ? letters[0] : letters[1]))
    .join('');
}

const OPPOSITE: Record<string, string> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' };

/** The letters of the direction opposite to `letters`; other characters are kept (quadrupeds, PS3.3 C.7.6.1.1.1). */
export const oppositeLetters = (letters: string): string =>
  letters.replaceAll(/[LRAPHF]/g, (letter) => OPPOSITE[letter] ?? letter);

export interface EdgeLetters {
  top: string;
  right: string;
  bottom: string;
  left: string;
}

/**
 * Letters at the edges of the viewport, from the plane or else from Patient Orientation (0020,0020), whose two values
 * are the directions of the rows and of the columns.
 */
export function edgeLetters(
  plane: Plane,
  patientOrientation: string[],
  orientation: Orientation,
): EdgeLetters | null {
  let rowLetters: string;
  let columnLetters: string;
  let toLetters: (direction: Point2) => string;
  if (plane.rowDirection && plane.columnDirection) {
    const { rowDirection, columnDirection } = plane;
    toLetters = ([column, row]) => lettersOf(add(scale(rowDirection, column), scale(columnDirection, row)));
  } else if (patientOrientation.length === 2 && patientOrientation[0] && patientOrientation[1]) {
    [rowLetters, columnLetters] = patientOrientation as [string, string];
    toLetters = ([column, row]) => {
      if (column > 0.5) return rowLetters;
      if (column < -0.5) return oppositeLetters(rowLetters);
      return row > 0 ? columnLetters : oppositeLetters(columnLetters);
    };
  } else {
    return null;
  }
  const [rightColumn, rightRow] = screenRight(orientation);
  const [downColumn, downRow] = screenDown(orientation);
  return {
    right: toLetters([rightColumn, rightRow]),
    left: toLetters([-rightColumn, -rightRow]),
    bottom: toLetters([downColumn, downRow]),
    top: toLetters([-downColumn, -downRow]),
  };
}

/** A round length in mm (1, 2 or 5 times a power of ten) that covers at most `pixelsMax` screen pixels. */
export function scaleBarLength(pixelsPerMm: number, pixelsMax: number): number {
  const longest = pixelsMax / pixelsPerMm;
  const power = 10 ** Math.floor(Math.log10(longest));
  const step = [5, 2, 1].find((factor) => factor * power <= longest) ?? 1;
  return step * power;
}
