/** Draws a viewport into a canvas: its picture, what is drawn on it, and words. */
import i18next from 'i18next';
import { texts } from '../data/dicomJson';
import type { Frame } from '../data/frames';
import { edgeLetters, type Size } from '../data/orientation';
import { textNow } from '../i18n';
import { type PaneId, stackOf, useViewer } from '../state/store';
import { windowText } from '../ui/Overlay';
import { type Captions, captionsOf, type Identity } from './captions';

const MARGIN = 12;
const FONT_PX = 14;
const LINE = 1.4;

/** Room for so many lines of words, with their margin. */
export const heightOf = (lines: number): number => (lines === 0 ? 0 : 2 * MARGIN + lines * FONT_PX * LINE);

export const NO_CAPTIONS: Captions = { topLeft: [], topRight: [], bottomLeft: [] };

export const elementOf = (id: PaneId): HTMLElement | null =>
  document.querySelector<HTMLElement>(`[data-pane="${id}"]`);

async function imageOf(svg: SVGSVGElement, width: number, height: number): Promise<HTMLImageElement> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  const url = URL.createObjectURL(
    new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }),
  );
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Draws what lies in a viewport, lowest first: its canvases, and the marks, which are vectors. */
async function drawLayers(context: CanvasRenderingContext2D, pane: HTMLElement): Promise<void> {
  const box = pane.getBoundingClientRect();
  const layers = pane.querySelectorAll<HTMLCanvasElement | SVGSVGElement>('canvas, [data-viewport] svg');
  for (const layer of layers) {
    const { left, top, width, height } = layer.getBoundingClientRect();
    if (width < 1 || height < 1) continue;
    const style = getComputedStyle(layer);
    const picture = layer instanceof SVGSVGElement ? await imageOf(layer, width, height) : layer;
    context.globalAlpha = Number(style.opacity);
    context.filter = style.filter;
    context.drawImage(picture, left - box.left, top - box.top, width, height);
  }
  context.globalAlpha = 1;
  context.filter = 'none';
}

/** Writes into the corners, and letters at the sides. */
export function drawWords(
  context: CanvasRenderingContext2D,
  { width, height }: Size,
  { topLeft, topRight, bottomLeft }: Captions,
  letters: ReturnType<typeof edgeLetters>,
  fontPx = FONT_PX,
): void {
  context.font = `${fontPx}px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  const write = (words: string, x: number, y: number, align: CanvasTextAlign, colour = '#ffffff'): void => {
    context.textAlign = align;
    context.lineWidth = 3;
    context.strokeStyle = '#000000';
    context.strokeText(words, x, y);
    context.fillStyle = colour;
    context.fillText(words, x, y);
  };
  const step = fontPx * LINE;
  topLeft.forEach((words, at) => write(words, MARGIN, MARGIN + step * (at + 0.5), 'left'));
  topRight.forEach((words, at) => write(words, width - MARGIN, MARGIN + step * (at + 0.5), 'right'));
  bottomLeft.forEach((words, at) =>
    write(words, MARGIN, height - MARGIN - step * (bottomLeft.length - at - 0.5), 'left'),
  );
  if (!letters) return;
  write(letters.top, width / 2, MARGIN + step / 2, 'center', '#f3d58f');
  write(letters.bottom, width / 2, height - MARGIN - step / 2, 'center', '#f3d58f');
  write(letters.left, MARGIN, height / 2, 'left', '#f3d58f');
  write(letters.right, width - MARGIN, height / 2, 'right', '#f3d58f');
}

/** What stands on the picture of the frame that a viewport shows now. */
export function captionsNow(id: PaneId, frame: Frame, identity: Identity): Captions {
  const state = useViewer.getState();
  const { shown, shownVoi } = state.panes[id];
  return captionsOf(
    frame,
    identity,
    {
      position: `${(shown ?? 0) + 1} / ${stackOf(state, id)?.frames.length ?? 1}`,
      window: shownVoi ? windowText(textNow, shownVoi) : '',
      warning: textNow('capture.notDiagnostic'),
    },
    i18next.resolvedLanguage ?? 'en',
  );
}

/** Draws a viewport as large as the canvas is. The letters of its sides stand on it in any case. */
export async function drawPane(
  canvas: HTMLCanvasElement,
  id: PaneId,
  pane: HTMLElement,
  frame: Frame,
  captions: Captions,
  fontPx = FONT_PX,
): Promise<void> {
  const context = canvas.getContext('2d');
  if (!context) return;
  const box = pane.getBoundingClientRect();
  context.setTransform(canvas.width / box.width, 0, 0, canvas.height / box.height, 0, 0);
  context.fillStyle = '#000000';
  context.fillRect(0, 0, box.width, box.height);
  await drawLayers(context, pane);
  const { presentation } = useViewer.getState().panes[id];
  const letters = edgeLetters(
    frame.plane,
    texts(frame.instance.dataset, '00200020'),
    presentation.orientation,
  );
  drawWords(context, box, captions, letters, fontPx);
}

export const blobOf = (canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob | null> =>
  new Promise((resolve) => canvas.toBlob(resolve, type, quality));
