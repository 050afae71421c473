/** A viewport as a PNG file: the picture, what is drawn on it, and words that say whose it is, or that nobody does. */
import { saveFile } from '@/lib/saveFile';
import i18next from 'i18next';
import type { Frame } from '../data/frames';
import { texts } from '../data/dicomJson';
import { edgeLetters } from '../data/orientation';
import { textNow } from '../i18n';
import { displaySetOf, type PaneId, stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import { windowText } from '../ui/Overlay';
import { type Captions, captionsOf, fileNameOf, type Identity, pixelsMayName } from './captions';

const MARGIN = 12;
const FONT_PX = 14;
const LINE = 1.4;

/** The frame that a viewport shows, when it shows one. */
function shownFrame(id: PaneId): Frame | null {
  const state = useViewer.getState();
  const { shown, status } = state.panes[id];
  if (shown === null || status.kind !== 'ready') return null;
  return stackOf(state, id)?.frames[shown] ?? null;
}

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
    context.globalAlpha = Number(style.opacity);
    context.filter = style.filter;
    const picture = layer instanceof SVGSVGElement ? await imageOf(layer, width, height) : layer;
    context.drawImage(picture, left - box.left, top - box.top, width, height);
  }
  context.globalAlpha = 1;
  context.filter = 'none';
}

function drawWords(
  context: CanvasRenderingContext2D,
  { width, height }: DOMRect,
  { topLeft, topRight, bottomLeft }: Captions,
  letters: ReturnType<typeof edgeLetters>,
): void {
  context.font = `${FONT_PX}px ${getComputedStyle(document.body).fontFamily}`;
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
  const step = FONT_PX * LINE;
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

/** Saves what a viewport shows; says why when it cannot, or when the pixels themselves may name the patient. */
export async function savePicture(id: PaneId, identity: Identity): Promise<void> {
  const state = useViewer.getState();
  const frame = shownFrame(id);
  const stack = stackOf(state, id);
  const pane = document.querySelector<HTMLElement>(`[data-pane="${id}"]`);
  if (!frame || !stack || !pane) {
    tell({ text: displaySetOf(state, id) ? 'capture.noImage' : 'capture.empty' });
    return;
  }
  const mayName = identity === 'none' ? pixelsMayName(frame) : 'no';
  if (mayName === 'yes') {
    tell({ text: 'capture.burnedIn' });
    return;
  }
  const { presentation, shownVoi, shown } = state.panes[id];
  const box = pane.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(ratio, ratio);
  context.fillStyle = '#000000';
  context.fillRect(0, 0, box.width, box.height);
  await drawLayers(context, pane);
  const captions = captionsOf(
    frame,
    identity,
    {
      position: `${(shown ?? 0) + 1} / ${stack.frames.length}`,
      window: shownVoi ? windowText(textNow, shownVoi) : '',
      warning: textNow('capture.notDiagnostic'),
    },
    i18next.resolvedLanguage ?? 'en',
  );
  const letters = edgeLetters(
    frame.plane,
    texts(frame.instance.dataset, '00200020'),
    presentation.orientation,
  );
  drawWords(context, box, captions, letters);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) {
    tell({ text: 'capture.noImage' });
    return;
  }
  saveFile(fileNameOf(frame, identity, 'png'), blob);
  tell(mayName === 'perhaps' ? { text: 'capture.perhapsBurnedIn' } : null);
}
