import { describe, expect, it } from 'vitest';
import { FITTED, type Geometry, rotatedRight, UPRIGHT } from '../data/orientation';
import { drawPlain, type PlainLook } from './plain';
import type { Voi, WindowVoi } from './voi';

const GEOMETRY: Geometry = {
  columns: 2,
  rows: 2,
  columnSpacing: 1,
  rowSpacing: 1,
  rowDirection: [1, 0, 0],
  columnDirection: [0, 1, 0],
  position: [0, 0, 0],
};
const WINDOW: WindowVoi = { kind: 'window', shape: 'LINEAR_EXACT', center: 50, width: 100, explanation: '' };
const VALUES = Int16Array.of(0, 100, 50, -20);

function drawn(
  look: Partial<PlainLook>,
  {
    width = 2,
    height = 2,
    ratio = 1,
    data = VALUES,
    components = 1,
  }: {
    width?: number;
    height?: number;
    ratio?: number;
    data?: Int16Array | Uint8Array;
    components?: 1 | 3;
  } = {},
): number[] {
  const target = new Uint8ClampedArray(width * height * 4);
  drawPlain(
    target,
    { width, height },
    ratio,
    { data, components },
    {
      geometry: GEOMETRY,
      presentation: FITTED,
      voi: WINDOW,
      isInverted: false,
      ...look,
    },
  );
  return Array.from(target);
}

const reds = (pixels: number[]): number[] => pixels.filter((_, at) => at % 4 === 0);

describe('the plain picture', () => {
  it('has a pixel of the screen for a pixel of the image, opaque and grey', () => {
    expect(drawn({})).toEqual([0, 0, 0, 255, 255, 255, 255, 255, 128, 128, 128, 255, 0, 0, 0, 255]);
  });

  it('turns, mirrors and inverts as it is told', () => {
    expect(reds(drawn({ presentation: { ...FITTED, orientation: rotatedRight(UPRIGHT) } }))).toEqual([
      128, 0, 0, 255,
    ]);
    expect(reds(drawn({ isInverted: true }))).toEqual([255, 0, 127, 255]);
  });

  it('is linear between values, not between greys, and black outside of the image', () => {
    // Twice as wide as the image is high: a quarter to the left and to the right is empty.
    const pixels = reds(drawn({}, { width: 8, height: 4 }));
    expect(pixels.slice(0, 8)).toEqual([0, 0, 0, 64, 191, 255, 0, 0]);
    // From 50 to -20, of which a quarter lies at 32.5; a grey of -20 would be the 0 of any value below the window.
    expect(pixels[3 * 8 + 3]).toBe(Math.round(255 * 0.325));
  });

  it('draws what the screen has of one pixel of CSS', () => {
    expect(reds(drawn({}, { width: 4, height: 4, ratio: 2 }))).toEqual(
      reds(drawn({}, { width: 4, height: 4 })),
    );
  });

  it('follows tables and curves', () => {
    const table: Voi = {
      kind: 'table',
      table: {
        first: 0,
        bitsPerEntry: 8,
        entries: Uint8Array.of(...Array.from({ length: 101 }, (_, at) => 2 * at)),
      },
      explanation: '',
    } as unknown as Voi;
    expect(reds(drawn({ voi: table }))).toEqual([0, 200, 100, 0]);
    const [, , middle] = reds(drawn({ voi: { ...WINDOW, shape: 'SIGMOID' } }));
    expect(middle).toBe(128);
  });

  it('keeps colours apart', () => {
    const data = Uint8Array.of(255, 0, 10, 0, 255, 20, 1, 2, 3, 9, 9, 9);
    const voi: WindowVoi = { ...WINDOW, shape: 'LINEAR', center: 128, width: 256 };
    expect(drawn({ voi }, { data, components: 3 }).slice(0, 8)).toEqual([255, 0, 10, 255, 0, 255, 20, 255]);
  });
});
