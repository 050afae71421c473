/** A viewport as a PNG file: the picture, what is drawn on it, and words that say whose it is, or that nobody does. */
import { saveFile } from '@/lib/saveFile';
import i18next from 'i18next';
import type { Frame, Instance } from '../data/frames';
import { texts } from '../data/dicomJson';
import { edgeLetters, type Size } from '../data/orientation';
import { textNow } from '../i18n';
import { displaySetOf, type PaneId, stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import { windowText } from '../ui/Overlay';
import { shownWaveforms } from '../waveform/shown';
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
  { width, height }: Size,
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

/** A picture in the making, at the resolution of the screen. */
function blank({ width, height }: Size): {
  canvas: HTMLCanvasElement;
  context: CanvasRenderingContext2D | null;
} {
  const ratio = window.devicePixelRatio || 1;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  context?.scale(ratio, ratio);
  if (context) context.fillStyle = '#000000';
  context?.fillRect(0, 0, width, height);
  return { canvas, context };
}

async function keep(canvas: HTMLCanvasElement, name: string): Promise<boolean> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (blob) saveFile(name, blob);
  else tell({ text: 'capture.noImage' });
  return blob !== null;
}

/** Saves the whole paper of a waveform; the words stand above and below it, since traces are everywhere on it. */
async function saveWaveform(id: PaneId, instance: Instance, identity: Identity): Promise<void> {
  const paper = document.querySelector<HTMLCanvasElement>(`canvas[data-waveform="${id}"]`);
  const shown = shownWaveforms.get(id);
  if (!paper || !shown?.isWhole) {
    tell({ text: 'capture.noImage' });
    return;
  }
  const { sheet, scale, traces } = shown;
  const fromS = sheet.cells[0]?.fromS ?? 0;
  const gain = traces.find(({ unit }) => unit === 'mV')?.mmPerUnit;
  const pictured = { instance, frameNumber: 1 };
  const captions = captionsOf(
    pictured,
    identity,
    {
      position: `${fromS.toFixed(1)}–${(fromS + sheet.pageS).toFixed(1)} s`,
      window: [`${Number(scale.mmPerS.toPrecision(3))} mm/s`, gain === undefined ? '' : `${gain} mm/mV`]
        .filter(Boolean)
        .join(', '),
      warning: textNow('capture.notDiagnostic'),
    },
    i18next.resolvedLanguage ?? 'en',
  );
  const heightOf = (lines: number): number => (lines === 0 ? 0 : 2 * MARGIN + lines * FONT_PX * LINE);
  const above = heightOf(Math.max(captions.topLeft.length, captions.topRight.length));
  const size = {
    width: sheet.width,
    height: above + sheet.height + heightOf(captions.bottomLeft.length),
  };
  const { canvas, context } = blank(size);
  if (!context) return;
  context.drawImage(paper, 0, above, sheet.width, sheet.height);
  drawWords(context, size, captions, null);
  if (await keep(canvas, fileNameOf(pictured, identity, 'png'))) tell(null);
}

/** Saves what a viewport shows; says why when it cannot, or when the pixels themselves may name the patient. */
export async function savePicture(id: PaneId, identity: Identity): Promise<void> {
  const state = useViewer.getState();
  const set = displaySetOf(state, id);
  if (set?.kind === 'object' && set.object === 'waveform') {
    await saveWaveform(id, set.representative, identity);
    return;
  }
  const frame = shownFrame(id);
  const stack = stackOf(state, id);
  const pane = document.querySelector<HTMLElement>(`[data-pane="${id}"]`);
  if (!frame || !stack || !pane) {
    tell({ text: set ? 'capture.noImage' : 'capture.empty' });
    return;
  }
  const mayName = identity === 'none' ? pixelsMayName(frame) : 'no';
  if (mayName === 'yes') {
    tell({ text: 'capture.burnedIn' });
    return;
  }
  const { presentation, shownVoi, shown } = state.panes[id];
  const box = pane.getBoundingClientRect();
  const { canvas, context } = blank(box);
  if (!context) return;
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
  if (await keep(canvas, fileNameOf(frame, identity, 'png')))
    tell(mayName === 'perhaps' ? { text: 'capture.perhapsBurnedIn' } : null);
}
