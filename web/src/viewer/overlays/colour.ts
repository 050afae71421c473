/** Colours as data sets write them. */

export type Rgb = readonly [number, number, number];

/** CIELab of 16 bits each to sRGB (PS3.3 C.10.7.1.1): D50 white, as ICC profiles have it. */
export function rgbFromCielab(values: readonly number[]): Rgb | null {
  if (values.length !== 3) return null;
  const [l, a, b] = values as [number, number, number];
  const level = ((l / 65_535) * 100 + 16) / 116;
  const across = (a / 65_535) * 255 - 128;
  const along = (b / 65_535) * 255 - 128;
  const linear = (t: number): number => (t > 6 / 29 ? t ** 3 : 3 * (6 / 29) ** 2 * (t - 4 / 29));
  const x = 0.964_22 * linear(level + across / 500);
  const y = linear(level);
  const z = 0.825_21 * linear(level - along / 200);
  const encoded = (value: number): number => {
    const bounded = Math.min(1, Math.max(0, value));
    const curved = bounded <= 0.003_130_8 ? 12.92 * bounded : 1.055 * bounded ** (1 / 2.4) - 0.055;
    return Math.round(curved * 255);
  };
  return [
    encoded(3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z),
    encoded(-0.978_768_4 * x + 1.916_141_5 * y + 0.033_454 * z),
    encoded(0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z),
  ];
}

/** For what states no colour: far apart in hue, and none of them grey. */
const SPARE: readonly Rgb[] = [
  [230, 80, 70],
  [70, 170, 230],
  [110, 200, 90],
  [240, 190, 60],
  [190, 110, 220],
  [60, 200, 190],
  [240, 130, 50],
  [220, 110, 160],
];

export const spareColour = (index: number): Rgb => SPARE[index % SPARE.length] ?? [230, 80, 70];

export const css = ([red, green, blue]: Rgb, alpha = 1): string => `rgb(${red} ${green} ${blue} / ${alpha})`;
