/** Colours for a second image laid over a first, and for parametric images. */

export const COLOUR_MAPS = ['hotIron', 'rainbow', 'greyInverted'] as const;
export type ColourMap = (typeof COLOUR_MAPS)[number];

const clamped = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));

/** Hot Iron as in PS3.6 B.1.1: red rises first, then green, blue last. */
const hotIron = (index: number): [number, number, number] => [
  clamped(index * 2),
  clamped((index - 128) * 2),
  clamped((index - 192) * 4),
];

/** From blue over green to red. */
function rainbow(index: number): [number, number, number] {
  const hue = ((1 - index / 255) * 240) / 60;
  const part = (offset: number): number => {
    const k = (offset + hue) % 6;
    return clamped(255 * (1 - Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [part(5), part(3), part(1)];
}

const OF: Record<ColourMap, (index: number) => [number, number, number]> = {
  hotIron,
  rainbow,
  greyInverted: (index) => [255 - index, 255 - index, 255 - index],
};

const tables = new Map<ColourMap, Uint8Array>();

/** 256 entries of red, green, blue. */
export function colourTable(map: ColourMap): Uint8Array {
  const known = tables.get(map);
  if (known) return known;
  const table = Uint8Array.from(Array.from({ length: 256 }, (_, index) => OF[map](index)).flat());
  tables.set(map, table);
  return table;
}
