/** A second volume laid over pictures in colours: values on their planes. */
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { type Geometry, imageToCanvas, type Presentation, type Size } from '../data/orientation';
import { reslice } from '../data/reslice';
import { type ColourMap, colourTable } from '../lut/colourMaps';
import { geometryOf } from './geometry';
import { volumeIfReady } from './volumes';

/** Finer than this the values of the overlay tell nothing new: it is drawn by linear interpolation. */
const SIDE_MAX = 256;

export interface FusionLook {
  map: ColourMap;
  opacity: number;
  lower: number;
  upper: number;
}

function coarse(geometry: Geometry): Geometry {
  const factor = Math.max(1, Math.max(geometry.columns, geometry.rows) / SIDE_MAX);
  const columns = Math.max(1, Math.round(geometry.columns / factor));
  const rows = Math.max(1, Math.round(geometry.rows / factor));
  const columnSpacing = (geometry.columns * geometry.columnSpacing) / columns;
  const rowSpacing = (geometry.rows * geometry.rowSpacing) / rows;
  const shift = (spacing: number, own: number): number => (spacing - own) / 2;
  const [x, y] = [shift(columnSpacing, geometry.columnSpacing), shift(rowSpacing, geometry.rowSpacing)];
  const { position, rowDirection: r, columnDirection: c } = geometry;
  return {
    ...geometry,
    columns,
    rows,
    columnSpacing,
    rowSpacing,
    position: [
      position[0] + r[0] * x + c[0] * y,
      position[1] + r[1] * x + c[1] * y,
      position[2] + r[2] * x + c[2] * y,
    ],
  };
}

/** The overlay on the plane of a frame as a picture; null until its volume is here. */
export function fusedPicture(overlay: StackDisplaySet, frame: Frame, look: FusionLook): ImageData | null {
  const volume = volumeIfReady(overlay.id);
  const geometry = geometryOf(frame);
  if (!volume || !geometry) return null;
  const plane = coarse(geometry);
  const values = reslice(volume, plane);
  const table = colourTable(look.map);
  const picture = new ImageData(plane.columns, plane.rows);
  const range = Math.max(1e-9, look.upper - look.lower);
  for (let at = 0; at < values.length; at += 1) {
    const share = Math.min(1, Math.max(0, ((values[at] ?? 0) - look.lower) / range));
    const entry = Math.round(share * 255) * 3;
    picture.data[at * 4] = table[entry] ?? 0;
    picture.data[at * 4 + 1] = table[entry + 1] ?? 0;
    picture.data[at * 4 + 2] = table[entry + 2] ?? 0;
    // What holds next to nothing lets the picture below shine through.
    picture.data[at * 4 + 3] = Math.round(255 * look.opacity * Math.min(1, share * 8));
  }
  return picture;
}

/** Draws a picture of `fusedPicture` where the frame stands in the viewport. */
export function drawFused(
  target: HTMLCanvasElement,
  picture: ImageData,
  frame: Frame,
  presentation: Presentation,
  size: Size,
): void {
  const geometry = geometryOf(frame);
  const context = target.getContext('2d');
  if (!geometry || !context) return;
  const ratio = window.devicePixelRatio || 1;
  target.width = Math.round(size.width * ratio);
  target.height = Math.round(size.height * ratio);
  const small = new OffscreenCanvas(picture.width, picture.height);
  small.getContext('2d')?.putImageData(picture, 0, 0);
  const corner = imageToCanvas(geometry, presentation, size, [-0.5, -0.5]);
  const right = imageToCanvas(geometry, presentation, size, [geometry.columns - 0.5, -0.5]);
  const down = imageToCanvas(geometry, presentation, size, [-0.5, geometry.rows - 0.5]);
  const { width, height } = picture;
  context.setTransform(
    (ratio * (right[0] - corner[0])) / width,
    (ratio * (right[1] - corner[1])) / width,
    (ratio * (down[0] - corner[0])) / height,
    (ratio * (down[1] - corner[1])) / height,
    ratio * corner[0],
    ratio * corner[1],
  );
  context.drawImage(small, 0, 0);
}
