/** Where images lie on printed pages. All lengths are mm, from the upper left corner of the page. */

export const PAPERS = { a4: [210, 297], letter: [215.9, 279.4] } as const;
export type Paper = keyof typeof PAPERS;

/** Pages of one document at most: what is held until it is saved. */
export const PAGES_MAX = 20;
export const ROWS_MAX = 8;
export const COLUMNS_MAX = 6;
/** 203 to the inch: more than a laser film shows of a tile, and less than a page of 8 MiB. */
export const PIXELS_PER_MM = 8;

const MARGIN = 10;
export const HEADER = 15;
export const FOOTER = 9;
const GAP = 2;
export const CAPTION = 4;

export interface Sheet {
  paper: Paper;
  isLandscape: boolean;
  rows: number;
  columns: number;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function pageSize({ paper, isLandscape }: Pick<Sheet, 'paper' | 'isLandscape'>): {
  width: number;
  height: number;
} {
  const [short, long] = PAPERS[paper];
  return isLandscape ? { width: long, height: short } : { width: short, height: long };
}

/** What is printed on: all but the margins. */
export function bodyOf(sheet: Pick<Sheet, 'paper' | 'isLandscape'>): Box {
  const { width, height } = pageSize(sheet);
  return { x: MARGIN, y: MARGIN, width: width - 2 * MARGIN, height: height - 2 * MARGIN };
}

/** The boxes of a page's images, row by row; each leaves room for its caption below. */
export function boxesOf(sheet: Sheet): Box[] {
  const body = bodyOf(sheet);
  const { rows, columns } = sheet;
  const width = (body.width - GAP * (columns - 1)) / columns;
  const all = body.height - HEADER - FOOTER;
  const height = (all - GAP * (rows - 1)) / rows - CAPTION;
  return Array.from({ length: rows * columns }, (_, at) => ({
    x: body.x + (at % columns) * (width + GAP),
    y: body.y + HEADER + Math.floor(at / columns) * (height + CAPTION + GAP),
    width,
    height,
  }));
}

/** The largest box of a shape (width by height) in the middle of another. */
export function shapedBox(box: Box, aspect: number): Box {
  const width = Math.min(box.width, box.height * aspect);
  const height = width / aspect;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

/** Every so many images of a stack, the first of the range among them. */
export function everyNth({ from, to }: { from: number; to: number }, step: number): number[] {
  const stride = Math.max(1, Math.round(step));
  return Array.from({ length: Math.floor((to - from) / stride) + 1 }, (_, at) => from + at * stride);
}

export const pagesFor = (images: number, { rows, columns }: Sheet): number =>
  Math.max(1, Math.ceil(images / (rows * columns)));

/** Pixels of the page that a box gets, whole pixels of CSS; and the mm that they then are. */
export function pixelsOf(
  { width, height }: Pick<Box, 'width' | 'height'>,
  ratio: number,
): { css: { width: number; height: number }; perMm: number; mm: { width: number; height: number } } {
  const perMm = PIXELS_PER_MM / ratio;
  const css = { width: Math.floor(width * perMm), height: Math.floor(height * perMm) };
  return { css, perMm, mm: { width: css.width / perMm, height: css.height / perMm } };
}
