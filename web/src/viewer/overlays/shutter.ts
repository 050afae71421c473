/** Display shutters (PS3.3 C.7.6.11, C.7.6.15): what of the image is left open. A pixel is inside when its centre is. */
import { type DicomJson, number, numbers, texts } from '../data/dicomJson';
import { isInPolygon, type Point2 } from '../data/vectors';
import { type Rgb, rgbFromCielab } from './colour';

export interface Shutter {
  /** Columns and rows from 1, both ends open. */
  rectangle: { left: number; top: number; right: number; bottom: number } | null;
  /** In pixels from 1: column, row, radius. */
  circle: { column: number; row: number; radius: number } | null;
  /** Corners as column, row from 1; they belong to what is open. */
  polygon: Point2[] | null;
  /** The overlay whose ones are covered, such as 0x6000 (a bitmap shutter). */
  overlayGroup: number | null;
  colour: Rgb;
}

export function readShutter(dataset: DicomJson): Shutter | null {
  const shapes = new Set(texts(dataset, '00181600').map((shape) => shape.toUpperCase()));
  if (shapes.size === 0) return null;
  const left = number(dataset, '00181602');
  const right = number(dataset, '00181604');
  const top = number(dataset, '00181606');
  const bottom = number(dataset, '00181608');
  const center = numbers(dataset, '00181610');
  const radius = number(dataset, '00181612');
  const flat = numbers(dataset, '00181620') ?? [];
  const corners: Point2[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2)
    corners.push([flat[index + 1] ?? 0, flat[index] ?? 0]);
  const level = Math.min(255, (number(dataset, '00181622') ?? 0) >> 8);
  const shutter: Shutter = {
    rectangle:
      shapes.has('RECTANGULAR') && left !== null && right !== null && top !== null && bottom !== null
        ? { left, right, top, bottom }
        : null,
    circle:
      shapes.has('CIRCULAR') && center?.length === 2 && radius !== null
        ? { row: center[0] ?? 0, column: center[1] ?? 0, radius }
        : null,
    polygon: shapes.has('POLYGONAL') && corners.length >= 3 ? corners : null,
    overlayGroup: shapes.has('BITMAP') ? number(dataset, '00181623') : null,
    colour: rgbFromCielab(numbers(dataset, '00181624') ?? []) ?? [level, level, level],
  };
  const isAny = shutter.rectangle ?? shutter.circle ?? shutter.polygon ?? shutter.overlayGroup;
  return isAny === null ? null : shutter;
}

/** One byte a pixel: 1 is covered. */
export function coveredPixels(shutter: Shutter, columns: number, rows: number): Uint8Array {
  const covered = new Uint8Array(columns * rows);
  const { rectangle, circle, polygon } = shutter;
  for (let row = 1; row <= rows; row += 1) {
    for (let column = 1; column <= columns; column += 1) {
      const isOpen =
        (!rectangle ||
          (column >= rectangle.left &&
            column <= rectangle.right &&
            row >= rectangle.top &&
            row <= rectangle.bottom)) &&
        (!circle || (column - circle.column) ** 2 + (row - circle.row) ** 2 <= circle.radius ** 2) &&
        (!polygon || isInPolygon(polygon, column, row));
      if (!isOpen) covered[(row - 1) * columns + column - 1] = 1;
    }
  }
  return covered;
}
