/**
 * Draws a frame without the renderer: the same place, the same linear interpolation between values and the same VOI
 * function, by the processor. It stands in until the GPU's picture is there.
 */
import { canvasToImage, type Geometry, type Presentation, type Size } from '../data/orientation';
import type { Values } from '../data/values';
import { asWindow, brightness, COLOUR_VOI, rangeOf, type Voi } from './voi';

export interface PlainLook {
  geometry: Geometry;
  presentation: Presentation;
  voi: Voi;
  isInverted: boolean;
}

const LEVELS = 4096;

/** Grey levels over the range of a VOI function, in even steps. */
function levelsOf(voi: Voi, isInverted: boolean): { lower: number; perValue: number; levels: Uint8Array } {
  const { lower, upper } = rangeOf(voi);
  const levels = Uint8Array.from({ length: LEVELS }, (_, index) => {
    const share = index / (LEVELS - 1);
    const plain =
      voi.kind === 'window' && voi.shape !== 'SIGMOID'
        ? share
        : brightness(voi, lower + share * (upper - lower));
    return Math.round(255 * (isInverted ? 1 - plain : plain));
  });
  return { lower, perValue: (LEVELS - 1) / Math.max(upper - lower, 1e-9), levels };
}

/**
 * Fills red, green, blue and opacity of a picture of `size` pixels of the screen, `ratio` of which make one of CSS. What
 * is outside of the image is black.
 */
export function drawPlain(
  target: Uint8ClampedArray,
  size: Size,
  ratio: number,
  { data, components }: Pick<Values, 'data' | 'components'>,
  { geometry, presentation, voi, isInverted }: PlainLook,
): void {
  const { columns, rows } = geometry;
  const shown = components === 3 ? asWindow(voi.kind === 'table' ? COLOUR_VOI : voi) : voi;
  const { lower, perValue, levels } = levelsOf(shown, isInverted);
  const viewport = { width: size.width / ratio, height: size.height / ratio };
  const imageAt = (x: number, y: number) =>
    canvasToImage(geometry, presentation, viewport, [(x + 0.5) / ratio, (y + 0.5) / ratio]);
  const [startColumn, startRow] = imageAt(0, 0);
  const right = imageAt(1, 0);
  const down = imageAt(0, 1);
  const [rightColumn, rightRow] = [right[0] - startColumn, right[1] - startRow];
  const [downColumn, downRow] = [down[0] - startColumn, down[1] - startRow];
  const last = LEVELS - 1;
  let at = 0;
  for (let y = 0; y < size.height; y += 1) {
    let column = startColumn + y * downColumn;
    let row = startRow + y * downRow;
    for (let x = 0; x < size.width; x += 1, at += 4, column += rightColumn, row += rightRow) {
      target[at + 3] = 255;
      if (column < -0.5 || row < -0.5 || column > columns - 0.5 || row > rows - 0.5) {
        target[at] = target[at + 1] = target[at + 2] = 0;
        continue;
      }
      // The outer half of a pixel at the edge has its value.
      const i = column < 0 ? 0 : column > columns - 1 ? columns - 1 : column;
      const j = row < 0 ? 0 : row > rows - 1 ? rows - 1 : row;
      const i0 = Math.floor(i);
      const j0 = Math.floor(j);
      const fi = i - i0;
      const fj = j - j0;
      const first = (j0 * columns + i0) * components;
      const next = fi > 0 ? components : 0;
      const below = fj > 0 ? columns * components : 0;
      for (let component = 0; component < components; component += 1) {
        const here = first + component;
        const upper = (data[here] as number) * (1 - fi) + (data[here + next] as number) * fi;
        const value =
          below === 0
            ? upper
            : upper * (1 - fj) +
              ((data[here + below] as number) * (1 - fi) + (data[here + below + next] as number) * fi) * fj;
        const level = Math.round((value - lower) * perValue);
        target[at + component] = levels[level < 0 ? 0 : level > last ? last : level] as number;
      }
      if (components === 1) target[at + 1] = target[at + 2] = target[at] as number;
    }
  }
}
