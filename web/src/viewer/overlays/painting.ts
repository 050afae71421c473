/** Draws what lies over a frame: pictures in the image's own pixels, lines and letters in those of the screen. */
import { type Geometry, imageToCanvas, type Presentation, type Size } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { findBitmaps } from './bitmaps';
import { css } from './colour';
import type { Part } from './parts';
import {
  type Area,
  displayToCanvas,
  type Graphic,
  type GraphicText,
  isText,
  type Units,
} from './presentationState';

export interface View {
  geometry: Geometry;
  presentation: Presentation;
  size: Size;
  ratio: number;
}

const CONTOUR_WIDTH = 1.5;
const ROUND_STEPS = 90;
const FONT = '13px "Inter Variable", sans-serif';
const LINE_HEIGHT = 17;

function throughImage(context: CanvasRenderingContext2D, view: View): void {
  const at = (point: Point2): Point2 => imageToCanvas(view.geometry, view.presentation, view.size, point);
  const [ox, oy] = at([0, 0]);
  const [xx, xy] = at([1, 0]);
  const [yx, yy] = at([0, 1]);
  const r = view.ratio;
  context.setTransform((xx - ox) * r, (xy - oy) * r, (yx - ox) * r, (yy - oy) * r, ox * r, oy * r);
}

function strokePath(context: CanvasRenderingContext2D, points: readonly Point2[], isClosed: boolean): void {
  context.beginPath();
  points.forEach(([x, y], index) => (index === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  if (isClosed) context.closePath();
}

/** Non-empty pixels of each part that was drawn, by number. */
export type Counts = Map<number, number>;

export function paintParts(context: CanvasRenderingContext2D, parts: readonly Part[], view: View): Counts {
  const counts: Counts = new Map();
  for (const part of parts) {
    if (part.kind === 'contours') {
      context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      context.strokeStyle = css(part.colour);
      context.lineWidth = CONTOUR_WIDTH;
      for (const { points, isClosed } of part.contours) {
        const onCanvas = points.map((point) =>
          imageToCanvas(view.geometry, view.presentation, view.size, point),
        );
        strokePath(context, onCanvas, isClosed);
        context.stroke();
      }
      continue;
    }
    const bitmaps = findBitmaps(part.key);
    if (!bitmaps) continue;
    for (const [number, { canvas, count }] of bitmaps) {
      if (!part.isShown(number)) continue;
      if (part.kind === 'segments') counts.set(number, (counts.get(number) ?? 0) + count);
      throughImage(context, view);
      context.transform(...part.affine);
      context.imageSmoothingEnabled = false;
      context.globalAlpha = part.opacity;
      context.drawImage(canvas, -0.5, -0.5);
      context.globalAlpha = 1;
    }
  }
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  return counts;
}

/** A closed curve through both axes' ends. */
function round(center: Point2, major: Point2, minor: Point2): Point2[] {
  return Array.from({ length: ROUND_STEPS }, (_, step): Point2 => {
    const turn = (2 * Math.PI * step) / ROUND_STEPS;
    return [
      center[0] + major[0] * Math.cos(turn) + minor[0] * Math.sin(turn),
      center[1] + major[1] * Math.cos(turn) + minor[1] * Math.sin(turn),
    ];
  });
}

/** The outline of a graphic in its own units, and whether it closes. */
export function outlineOf({ kind, points }: Graphic): { points: Point2[]; isClosed: boolean } {
  const [a, b, c, d] = points;
  if (kind === 'CIRCLE' && a && b) {
    const radius = Math.hypot(b[0] - a[0], b[1] - a[1]);
    return { points: round(a, [radius, 0], [0, radius]), isClosed: true };
  }
  if (kind === 'ELLIPSE' && a && b && c && d) {
    const center: Point2 = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const major: Point2 = [(b[0] - a[0]) / 2, (b[1] - a[1]) / 2];
    const minor: Point2 = [(d[0] - c[0]) / 2, (d[1] - c[1]) / 2];
    return { points: round(center, major, minor), isClosed: true };
  }
  return { points: [...points], isClosed: false };
}

function drawShadowed(context: CanvasRenderingContext2D, text: string, [x, y]: Point2): void {
  context.font = FONT;
  context.textBaseline = 'top';
  context.lineWidth = 3;
  context.strokeStyle = 'rgb(0 0 0 / 0.8)';
  text.split(/\r\n|\r|\n/).forEach((line, index) => {
    context.strokeText(line, x, y + index * LINE_HEIGHT);
    context.fillText(line, x, y + index * LINE_HEIGHT);
  });
}

/** Graphics and words of a presentation state; DISPLAY units count in the area as the state put it (`placed`). */
export function paintGraphics(
  context: CanvasRenderingContext2D,
  objects: readonly (Graphic | GraphicText)[],
  view: View,
  area: Area | null,
  placed: Presentation,
): void {
  const at = (point: Point2, units: Units): Point2 =>
    units === 'DISPLAY'
      ? displayToCanvas(area, placed, view.geometry, view.size, point)
      : imageToCanvas(view.geometry, view.presentation, view.size, [point[0] - 0.5, point[1] - 0.5]);
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  for (const object of objects) {
    context.fillStyle = css(object.colour);
    context.strokeStyle = css(object.colour);
    if (isText(object)) {
      const anchor = object.anchor && at(object.anchor, object.anchorUnits);
      const box = object.box?.map((point) => at(point, object.boxUnits));
      const place: Point2 | null = box
        ? [Math.min(...box.map(([x]) => x)), Math.min(...box.map(([, y]) => y))]
        : anchor && [anchor[0] + 8, anchor[1] - LINE_HEIGHT];
      if (!place) continue;
      if (anchor && box && object.hasLine) {
        context.lineWidth = 1;
        strokePath(context, [anchor, place], false);
        context.stroke();
      }
      drawShadowed(context, object.text, place);
      continue;
    }
    const outline = outlineOf(object);
    const points = outline.points.map((point) => at(point, object.units));
    if (object.kind === 'POINT') {
      for (const [x, y] of points) {
        context.beginPath();
        context.arc(x, y, 3, 0, 2 * Math.PI);
        context.fill();
      }
      continue;
    }
    context.lineWidth = 1.5;
    strokePath(context, points, outline.isClosed);
    if (object.isFilled) context.fill();
    context.stroke();
  }
}
