/** A viewport as a PNG file: the picture, what is drawn on it, and words that say whose it is, or that nobody does. */
import { saveFile } from '@/lib/saveFile';
import i18next from 'i18next';
import type { Frame, Instance } from '../data/frames';
import type { Size } from '../data/orientation';
import { textNow } from '../i18n';
import { displaySetOf, type PaneId, stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import { shownWaveforms } from '../waveform/shown';
import { captionsOf, fileNameOf, type Identity, pixelsMayName } from './captions';
import { blobOf, captionsNow, drawPane, drawWords, elementOf, heightOf } from './drawing';

/** The frame that a viewport shows, when it shows one. */
function shownFrame(id: PaneId): Frame | null {
  const state = useViewer.getState();
  const { shown, status } = state.panes[id];
  if (shown === null || status.kind !== 'ready') return null;
  return stackOf(state, id)?.frames[shown] ?? null;
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
  const blob = await blobOf(canvas, 'image/png');
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
  const pane = elementOf(id);
  if (!frame || !pane) {
    tell({ text: set ? 'capture.noImage' : 'capture.empty' });
    return;
  }
  const mayName = identity === 'none' ? pixelsMayName(frame) : 'no';
  if (mayName === 'yes') {
    tell({ text: 'capture.burnedIn' });
    return;
  }
  const { canvas } = blank(pane.getBoundingClientRect());
  await drawPane(canvas, id, pane, frame, captionsNow(id, frame, identity));
  if (await keep(canvas, fileNameOf(frame, identity, 'png')))
    tell(mayName === 'perhaps' ? { text: 'capture.perhapsBurnedIn' } : null);
}
