/** Parts of the picture drawn or measured by ourselves, from the values and not from the screen. */
import { canvasToImage, type Presentation } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { asWindow, brightness, type Voi, type WindowVoi } from '../lut/voi';
import { automaticWindow } from '../lut/voi';
import type { StackView } from './StackView';

/** The picture around a point of the viewport, `factor` times as large as it stands there; bilinear between pixels. */
export function magnified(
  view: StackView,
  look: { presentation: Presentation; voi: Voi; isInverted: boolean },
  around: Point2,
  side: number,
  factor: number,
): ImageData | null {
  const { image, geometry } = view;
  if (!image || !geometry) return null;
  const { presentation, voi, isInverted } = look;
  const pixels = image.getPixelData();
  const shown = image.color ? asWindow(voi) : voi;
  const components = image.color ? 3 : 1;
  const ratio = window.devicePixelRatio || 1;
  const count = Math.round(side * ratio);
  const output = new ImageData(count, count);
  const at = (x: number, y: number): Point2 =>
    canvasToImage(geometry, presentation, view.size, [
      around[0] + (x / ratio - side / 2) / factor,
      around[1] + (y / ratio - side / 2) / factor,
    ]);
  const origin = at(0, 0);
  const [right, down] = [at(1, 0), at(0, 1)];
  const { columns, rows } = image;
  for (let y = 0; y < count; y += 1) {
    for (let x = 0; x < count; x += 1) {
      const column = origin[0] + x * (right[0] - origin[0]) + y * (down[0] - origin[0]);
      const row = origin[1] + x * (right[1] - origin[1]) + y * (down[1] - origin[1]);
      const target = 4 * (y * count + x);
      output.data[target + 3] = 255;
      if (column < -0.5 || row < -0.5 || column >= columns - 0.5 || row >= rows - 0.5) continue;
      const c = Math.min(columns - 1, Math.max(0, column));
      const r = Math.min(rows - 1, Math.max(0, row));
      const [c0, r0] = [Math.floor(c), Math.floor(r)];
      const [c1, r1] = [Math.min(columns - 1, c0 + 1), Math.min(rows - 1, r0 + 1)];
      const [fc, fr] = [c - c0, r - r0];
      for (let component = 0; component < 3; component += 1) {
        const from = component % components;
        const value = (cc: number, rr: number): number =>
          pixels[(rr * columns + cc) * components + from] ?? 0;
        const top = value(c0, r0) * (1 - fc) + value(c1, r0) * fc;
        const bottom = value(c0, r1) * (1 - fc) + value(c1, r1) * fc;
        const plain = brightness(shown, top * (1 - fr) + bottom * fr);
        output.data[target + component] = Math.round(255 * (isInverted ? 1 - plain : plain));
      }
    }
  }
  return output;
}

/** Values of the image between two points of the viewport. */
export function valuesBetween(
  view: StackView,
  presentation: Presentation,
  from: Point2,
  to: Point2,
): number[] {
  const { image, geometry } = view;
  if (!image || !geometry || image.color) return [];
  const corners = [from, to].map((point) => canvasToImage(geometry, presentation, view.size, point));
  const range = (axis: 0 | 1, count: number): [number, number] => {
    const ends = corners.map((corner) => Math.round(corner[axis]));
    return [Math.max(0, Math.min(...ends)), Math.min(count - 1, Math.max(...ends))];
  };
  const [left, right] = range(0, image.columns);
  const [top, bottom] = range(1, image.rows);
  const pixels = image.getPixelData();
  const found: number[] = [];
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1)
      found.push(pixels[row * image.columns + column] ?? 0);
  }
  return found;
}

/** A window that shows what lies between two points of the viewport; null for colour, and outside of the image. */
export function windowOfRegion(
  view: StackView,
  presentation: Presentation,
  from: Point2,
  to: Point2,
): WindowVoi | null {
  const values = valuesBetween(view, presentation, from, to);
  return values.length > 1 ? automaticWindow(values, null) : null;
}
