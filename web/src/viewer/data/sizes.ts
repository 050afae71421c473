/** Pictures side by side at the same size, and where a breast stands in its viewport. Pure. */
import {
  fitScale,
  type Geometry,
  type Orientation,
  screenRight,
  type Size,
  sizeOnScreen,
} from './orientation';
import type { Point2 } from './vectors';

export interface Placed {
  geometry: Geometry;
  orientation: Orientation;
  viewport: Size;
}

/** Screen pixels to the mm at which each of several pictures is seen whole; null when there are none. */
export function sharedScale(pictures: readonly Placed[]): number | null {
  if (pictures.length === 0) return null;
  return Math.min(
    ...pictures.map(({ geometry, orientation, viewport }) => fitScale(geometry, orientation, viewport)),
  );
}

/** The zoom at which a picture has a scale in screen pixels to the mm. */
export const zoomForScale = ({ geometry, orientation, viewport }: Placed, scale: number): number =>
  scale / fitScale(geometry, orientation, viewport);

/** The point in the middle of the viewport when the picture's edge on one side lies at that of the viewport. */
export function centerAgainst(
  side: 'left' | 'right',
  { geometry, orientation, viewport }: Placed,
  scale: number,
): Point2 {
  const { width } = sizeOnScreen(geometry, orientation);
  const half = viewport.width / 2 / scale;
  const right = side === 'right' ? width / 2 - half : half - width / 2;
  const [columns, rows] = screenRight(orientation);
  return [
    0.5 + (right * columns) / (geometry.columns * geometry.columnSpacing),
    0.5 + (right * rows) / (geometry.rows * geometry.rowSpacing),
  ];
}
