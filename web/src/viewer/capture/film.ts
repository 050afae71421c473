/**
 * What a viewport plays, as an MP4: the browser draws each image as it stands in the viewport, the server encodes them.
 * Not encoded by the browser: WebCodecs is missing on pages without TLS, as archives within a house often have.
 */
import { type FilmLimits, makeFilm } from '@/api/films';
import { saveFile } from '@/lib/saveFile';
import { changePane, type PaneId, stackOf, useViewer } from '../state/store';
import type { Notice } from '../state/space';
import { apart } from './apart';
import { fileNameOf, type Identity, pixelsMayName } from './captions';
import { blobOf, captionsNow, drawPane, elementOf } from './drawing';
import { filmSize, lengthOf, type Range } from './filmPlan';
import { CannotSave } from './refusal';
import { settled } from './settled';

export interface Film {
  range: Range;
  /** Images a second. */
  rate: number;
  identity: Identity;
}

export type FilmProgress =
  { kind: 'drawing'; done: number; count: number } | { kind: 'sending'; sentBytes: number; bytes: number };

interface Watch {
  onProgress: (progress: FilmProgress) => void;
  signal: AbortSignal;
}

const QUALITY = 0.95;
const MIB = 2 ** 20;

async function drawAll(id: PaneId, film: Film, limits: FilmLimits, watch: Watch): Promise<Blob[]> {
  const { onProgress, signal } = watch;
  const pane = elementOf(id);
  if (!pane) throw new CannotSave({ text: 'capture.noImage' });
  const box = pane.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  Object.assign(canvas, filmSize(box, window.devicePixelRatio || 1, limits.sideMax));
  const pictures: Blob[] = [];
  const count = lengthOf(film.range);
  let bytes = 0;
  for (let index = film.range.from; index <= film.range.to; index += 1) {
    onProgress({ kind: 'drawing', done: pictures.length, count });
    const frame = await settled(id, index, signal);
    const { width, height } = pane.getBoundingClientRect();
    if (width !== box.width || height !== box.height) throw new CannotSave({ text: 'film.resized' });
    await drawPane(canvas, id, pane, frame, captionsNow(id, frame, film.identity));
    const picture = await blobOf(canvas, 'image/jpeg', QUALITY);
    if (!picture) throw new CannotSave({ text: 'capture.noImage' });
    pictures.push(picture);
    bytes += picture.size;
    if (bytes > limits.bodyMaxBytes) {
      const values = { images: pictures.length, allowed: Math.floor(limits.bodyMaxBytes / MIB) };
      throw new CannotSave({ text: 'film.tooLarge', values });
    }
  }
  return pictures;
}

/** Saves a film; gives what is to be said of it, or null. The viewport is as it was when this settles. */
export async function saveFilm(
  id: PaneId,
  film: Film,
  limits: FilmLimits,
  watch: Watch,
): Promise<Notice | null> {
  const before = useViewer.getState();
  const stack = stackOf(before, id);
  const frames = stack?.frames.slice(film.range.from, film.range.to + 1) ?? [];
  const [first] = frames;
  if (!first) throw new CannotSave({ text: 'capture.noImage' });
  const mayName = film.identity === 'none' ? frames.map(pixelsMayName) : [];
  if (mayName.includes('yes')) throw new CannotSave({ text: 'capture.burnedIn' });
  const { index } = before.panes[id];
  const pictures = await apart(async () => {
    changePane(id, { isPlaying: false });
    try {
      return await drawAll(id, film, limits, watch);
    } finally {
      if (stackOf(useViewer.getState(), id) === stack) changePane(id, { index });
    }
  });
  const bytes = pictures.reduce((sum, { size }) => sum + size, 0);
  watch.onProgress({ kind: 'sending', sentBytes: 0, bytes });
  const video = await makeFilm(before.studyInstanceUid, pictures, 1000 / film.rate, {
    onProgress: (sentBytes) => watch.onProgress({ kind: 'sending', sentBytes, bytes }),
    signal: watch.signal,
  });
  saveFile(fileNameOf(first, film.identity, 'mp4'), video);
  return mayName.includes('perhaps') ? { text: 'capture.perhapsBurnedIn' } : null;
}
