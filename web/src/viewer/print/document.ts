/** Images on pages, as a PDF: who and what above, captions below the images, what it is not for at the foot. */
import { PDFDocument, type PDFFont, type PDFPage, rgb, StandardFonts } from '@cantoo/pdf-lib';
import { formatDicomDate } from '@/lib/dates';
import i18next from 'i18next';
import { apart } from '../capture/apart';
import { fileNameOf, type Identity, pixelsMayName } from '../capture/captions';
import { blobOf, captionsNow, drawPane, NO_CAPTIONS } from '../capture/drawing';
import { CannotSave } from '../capture/refusal';
import { settled } from '../capture/settled';
import { type Frame, readPatientAndStudy } from '../data/frames';
import { textNow } from '../i18n';
import type { PaneId } from '../state/store';
import type { Notice } from '../state/space';
import { type Box, bodyOf, boxesOf, CAPTION, HEADER, pagesFor, pageSize, pixelsOf, shapedBox } from './pages';
import type { Sheet } from './pages';
import { aspectOf, Stage } from './stage';
import { frameOf, type Tile } from './tiles';

export interface Printing {
  sheet: Sheet;
  tiles: readonly (Tile | null)[];
  identity: Identity;
  isTrueSize: boolean;
  /** Images keep the shape of their viewport, and fill their place otherwise. */
  isShaped: boolean;
}

export interface Printed {
  name: string;
  file: Blob;
  notice: Notice | null;
}

interface Watch {
  onProgress: (done: number, count: number) => void;
  signal: AbortSignal;
}

const POINTS_PER_MM = 72 / 25.4;
const QUALITY = 0.95;
const RULER_MM = 50;
const TEXT_PT = 8;
const LETTERS_MM = 2.4;
const CAPTION_PT = 6.5;
const GREY = rgb(0.35, 0.35, 0.35);
const BLACK = rgb(0, 0, 0);

const points = (mm: number): number => mm * POINTS_PER_MM;

/** One page, written on in mm from its upper left corner. */
class Sheetful {
  constructor(
    private readonly document: PDFDocument,
    private readonly page: PDFPage,
    private readonly font: PDFFont,
  ) {}

  async image(bytes: ArrayBuffer, { x, y, width, height }: Box): Promise<void> {
    const image = await this.document.embedJpg(bytes);
    this.page.drawImage(image, this.placed({ x, y, width, height }));
  }

  frame(box: Box): void {
    this.page.drawRectangle({ ...this.placed(box), borderWidth: 0.4, borderColor: GREY });
  }

  /** A line of known length, to hold a ruler against. */
  ruler(x: number, y: number): void {
    const at = (mm: number, dy: number): { x: number; y: number } => ({
      x: points(mm),
      y: this.page.getHeight() - points(y + dy),
    });
    this.page.drawLine({ start: at(x, 0), end: at(x + RULER_MM, 0), thickness: 0.6 });
    for (const mm of [0, RULER_MM])
      this.page.drawLine({ start: at(x + mm, -1), end: at(x + mm, 1), thickness: 0.6 });
  }

  /** Writes one line, cut where there is no more room; letters that the font has not are drawn. */
  async text(
    words: string,
    { x, y, width, align = 'left', size = TEXT_PT, color = BLACK }: TextPlace,
  ): Promise<void> {
    if (words === '') return;
    if (canWrite(this.font, words)) {
      const line = cut(words, (each) => this.font.widthOfTextAtSize(each, size) <= points(width));
      const free = points(width) - this.font.widthOfTextAtSize(line, size);
      const left = points(x) + { left: 0, center: free / 2, right: free }[align];
      this.page.drawText(line, {
        x: left,
        y: this.page.getHeight() - points(y),
        size,
        font: this.font,
        color,
      });
      return;
    }
    const drawn = await drawnWords(words, size);
    const scale = Math.min(1, points(width) / drawn.width);
    const image = await this.document.embedPng(await drawn.blob.arrayBuffer());
    const free = points(width) - drawn.width * scale;
    this.page.drawImage(image, {
      x: points(x) + { left: 0, center: free / 2, right: free }[align],
      y: this.page.getHeight() - points(y) - drawn.descent * scale,
      width: drawn.width * scale,
      height: drawn.height * scale,
    });
  }

  private placed({ x, y, width, height }: Box): Box {
    return {
      x: points(x),
      y: this.page.getHeight() - points(y + height),
      width: points(width),
      height: points(height),
    };
  }
}

interface TextPlace {
  x: number;
  /** Of the line that letters stand on. */
  y: number;
  width: number;
  align?: 'left' | 'center' | 'right';
  size?: number;
  color?: typeof BLACK;
}

/** Helvetica has the letters of Western Europe. */
function canWrite(font: PDFFont, words: string): boolean {
  const known = new Set(font.getCharacterSet());
  return Array.from(words).every((letter) => known.has(letter.codePointAt(0) ?? 0));
}

function cut(words: string, fits: (words: string) => boolean): string {
  if (fits(words)) return words;
  const letters = Array.from(words);
  while (letters.length > 1 && !fits(`${letters.join('')}…`)) letters.pop();
  return `${letters.join('')}…`;
}

/** Words in any script as a picture, by the browser's own fonts; sizes are in points. */
async function drawnWords(
  words: string,
  size: number,
): Promise<{ blob: Blob; width: number; height: number; descent: number }> {
  const fine = 5;
  const canvas = document.createElement('canvas');
  const font = `${size * fine}px ${getComputedStyle(document.body).fontFamily}`;
  const measure = canvas.getContext('2d');
  if (measure) measure.font = font;
  const width = (measure?.measureText(words).width ?? 1) / fine + 2;
  const height = size * 1.5;
  const descent = size * 0.4;
  canvas.width = Math.ceil(width * fine);
  canvas.height = Math.ceil(height * fine);
  const context = canvas.getContext('2d');
  if (context) {
    context.font = font;
    context.textBaseline = 'alphabetic';
    context.fillText(words, fine, (height - descent) * fine);
  }
  const blob = await blobOf(canvas, 'image/png');
  if (!blob) throw new CannotSave({ text: 'capture.noImage' });
  return { blob, width, height, descent };
}

interface Drawn {
  jpeg: ArrayBuffer;
  box: Box;
  caption: string;
  isCut: boolean;
}

async function drawTile(
  stage: Stage,
  tile: Tile,
  place: Box,
  headed: Frame,
  printing: Printing,
  signal: AbortSignal,
): Promise<Drawn> {
  const ratio = window.devicePixelRatio || 1;
  const { css, perMm, mm } = pixelsOf(place, ratio);
  const element = stage.show(tile.displaySetId, tile.index, css, printing.isTrueSize ? perMm : null);
  const frame = await settled(tile.pane, tile.index, signal);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(css.width * ratio);
  canvas.height = Math.round(css.height * ratio);
  await drawPane(canvas, tile.pane, element, frame, NO_CAPTIONS, LETTERS_MM * perMm);
  const picture = await blobOf(canvas, 'image/jpeg', QUALITY);
  if (!picture) throw new CannotSave({ text: 'capture.noImage' });
  const said = captionsNow(tile.pane, frame, printing.identity).bottomLeft.slice(0, -1);
  return {
    jpeg: await picture.arrayBuffer(),
    box: { x: place.x, y: place.y, width: mm.width, height: mm.height },
    caption: [otherStudy(frame, headed, printing.identity), ...said].filter(Boolean).join(' · '),
    isCut: printing.isTrueSize && stage.isLargerThan(tile.index, mm),
  };
}

/** The day of an image that is of another study than the page is headed by. */
function otherStudy(frame: Frame, headed: Frame, identity: Identity): string {
  if (identity === 'none' || frame.instance.studyInstanceUid === headed.instance.studyInstanceUid) return '';
  const { studyDate } = readPatientAndStudy(frame.instance.dataset);
  return formatDicomDate(studyDate, i18next.resolvedLanguage ?? 'en');
}

interface Words {
  left: string[];
  right: string[];
}

async function writeAround(
  page: Sheetful,
  sheet: Sheet,
  words: Words,
  number: string,
  isTrueSize: boolean,
): Promise<void> {
  const body = bodyOf(sheet);
  const half = body.width / 2 - 2;
  for (const [at, line] of words.left.entries())
    await page.text(line, { x: body.x, y: body.y + 3 + 4 * at, width: half, size: at === 0 ? 10 : TEXT_PT });
  for (const [at, line] of words.right.entries())
    await page.text(line, {
      x: body.x + body.width - half,
      y: body.y + 3 + (HEADER / 4.2) * at,
      width: half,
      align: 'right',
    });
  const foot = body.y + body.height;
  await page.text(textNow('capture.notDiagnostic'), { x: body.x, y: foot, width: 50, color: GREY });
  await page.text(number, { x: body.x + body.width - 40, y: foot, width: 40, align: 'right', color: GREY });
  if (!isTrueSize) return;
  const middle = body.x + body.width / 2;
  page.ruler(middle - RULER_MM / 2, foot - 3.5);
  const scale = textNow('print.scale', { mm: RULER_MM });
  await page.text(scale, { x: middle - 45, y: foot, width: 90, align: 'center', color: GREY });
}

/** Checks before anything is drawn what the pixels themselves may say. */
function requireNameless(frames: readonly Frame[], identity: Identity): Notice | null {
  if (identity !== 'none') return null;
  const mayName = frames.map(pixelsMayName);
  if (mayName.includes('yes')) throw new CannotSave({ text: 'capture.burnedIn' });
  return mayName.includes('perhaps') ? { text: 'capture.perhapsBurnedIn' } : null;
}

/** What a page is headed by: whose images these are and from where; or nothing. */
function headOf(frame: Frame, pane: PaneId, identity: Identity): Words {
  const { topLeft, topRight } = captionsNow(pane, frame, identity);
  return { left: topLeft, right: topRight };
}

/** Sets images on pages. Viewports are as they were when this settles. */
export async function makeDocument(printing: Printing, watch: Watch): Promise<Printed> {
  const { sheet, tiles, identity } = printing;
  const frames = tiles.flatMap((tile) => (tile && frameOf(tile)) ?? []);
  const [headed] = frames;
  const first = tiles.find((tile) => tile !== null);
  if (!headed || !first) throw new CannotSave({ text: 'print.nothing' });
  const notice = requireNameless(frames, identity);
  const document = await PDFDocument.create();
  document.setTitle(textNow('print.title'));
  document.setCreator('Filmless');
  document.setProducer('Filmless');
  const font = await document.embedFont(StandardFonts.Helvetica);
  const places = boxesOf(sheet);
  const count = pagesFor(tiles.length, sheet);
  const head = headOf(headed, first.pane, identity);
  const stages = new Map<PaneId, Stage>();
  // As they are now: on the stage they have the shape of their place.
  const shapes = new Map(tiles.flatMap((tile) => (tile ? [[tile.pane, aspectOf(tile.pane)]] : [])));
  let cuts = 0;
  await apart(async () => {
    try {
      for (let number = 0; number < count; number += 1) {
        const { width, height } = pageSize(sheet);
        const page = new Sheetful(document, document.addPage([points(width), points(height)]), font);
        const numbered = textNow('print.page', { number: number + 1, count });
        await writeAround(page, sheet, head, numbered, printing.isTrueSize);
        for (const [at, place] of places.entries()) {
          const done = number * places.length + at;
          const tile = tiles[done];
          if (!tile) continue;
          watch.onProgress(done, tiles.length);
          const stage = stages.get(tile.pane) ?? new Stage(tile.pane);
          stages.set(tile.pane, stage);
          const box = printing.isShaped ? shapedBox(place, shapes.get(tile.pane) ?? 1) : place;
          const drawn = await drawTile(stage, tile, box, headed, printing, watch.signal);
          cuts += drawn.isCut ? 1 : 0;
          await page.image(drawn.jpeg, drawn.box);
          page.frame(drawn.box);
          const { x, y, width: long, height: high } = drawn.box;
          const below = { x, y: y + high + CAPTION - 1.2, width: long };
          await page.text(drawn.caption, { ...below, size: CAPTION_PT });
        }
      }
    } finally {
      for (const stage of stages.values()) stage.leave();
    }
  });
  const file = new Blob([new Uint8Array(await document.save())], { type: 'application/pdf' });
  const isCut: Notice | null = cuts > 0 ? { text: 'print.cut', values: { count: cuts } } : null;
  return { name: fileNameOf(headed, identity, 'pdf'), file, notice: notice ?? isCut };
}
