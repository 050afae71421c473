/** Modality values or RGB of a frame, right for every photometric interpretation, without the renderer. */
import { readPalette } from '../lut/palette';
import {
  type GreyValues,
  isColour,
  maskStoredBits,
  modalityValues,
  type Rescale,
  rgbFromPalette,
  rgbFromSamples,
} from '../lut/pixels';
import { fetchTables, type Palette, readTable } from '../lut/tables';
import type { Range } from '../lut/voi';
import { decode } from './decode';
import { fetchBulk } from './dicomweb';
import { type DicomJson, items } from './dicomJson';
import { Failure } from './errors';
import { takeFrame } from './frameBytes';
import { type Frame, frameNumberOf, lookup } from './frames';
import { mark } from './timing';

const palettes = new Map<string, Promise<Palette>>();

function paletteOf(frame: Frame): Promise<Palette> {
  const { sopInstanceUid, dataset, pixels } = frame.instance;
  const known = palettes.get(sopInstanceUid);
  if (known) return known;
  const read = readPalette(dataset, pixels?.isSigned ?? false, bulkBytes);
  palettes.set(sopInstanceUid, read);
  read.catch(() => palettes.delete(sopInstanceUid));
  return read;
}

export function rescaleOf(frame: Frame): Rescale {
  const withTable = lookup(frame, '00283000');
  const [item] = withTable ? items(withTable, '00283000') : [];
  return {
    slope: frameNumberOf(frame, '00281053') ?? 1,
    intercept: frameNumberOf(frame, '00281052') ?? 0,
    table: item ? readTable(item, frame.instance.pixels?.isSigned ?? false) : null,
  };
}

/** Items of the Modality LUT and VOI LUT Sequences. */
function tablesOf(frame: Frame): DicomJson[] {
  return ['00283000', '00283010'].flatMap((tag) => {
    const dataset = lookup(frame, tag);
    return dataset ? items(dataset, tag) : [];
  });
}

const bulkBytes = async (uri: string): Promise<Uint8Array> => (await fetchBulk(uri)).bytes;

export interface Values {
  data: GreyValues | Float64Array | Int8Array | Uint8ClampedArray | Uint32Array | Int32Array;
  min: number;
  max: number;
  components: 1 | 3;
}

async function valuesOf(frame: Frame, signal?: AbortSignal): Promise<Values> {
  const format = frame.instance.pixels;
  if (!format) throw new Failure('unsupported', 'The object holds no pixels.');
  const url = frame.imageId.slice('wadors:'.length);
  const [part, palette] = await Promise.all([
    takeFrame(url, signal),
    format.photometricInterpretation === 'PALETTE COLOR' ? paletteOf(frame) : null,
    fetchTables(tablesOf(frame), bulkBytes),
  ]);
  mark('firstBytes');
  const decoded = await decode(part, format);
  mark('firstDecoded');
  if (palette) {
    const indices = maskStoredBits(decoded.samples, format);
    return { data: rgbFromPalette(indices, palette), min: 0, max: 255, components: 3 };
  }
  if (isColour(format)) return { data: rgbFromSamples(decoded, format), min: 0, max: 255, components: 3 };
  const grey = modalityValues(maskStoredBits(decoded.samples, format), format, rescaleOf(frame));
  return { data: grey.values, min: grey.min, max: grey.max, components: 1 };
}

/** Pixel Padding Value and its range limit (PS3.3 C.7.5.1.1.2), in modality values. */
export function paddingOf(frame: Frame): Range | null {
  const first = frameNumberOf(frame, '00280120');
  if (first === null) return null;
  const second = frameNumberOf(frame, '00280121') ?? first;
  const { slope, intercept } = rescaleOf(frame);
  const ends = [first * slope + intercept, second * slope + intercept];
  return { lower: Math.min(...ends), upper: Math.max(...ends) };
}

/** Frames that are wanted before the renderer has started: it takes them over. */
const early = new Map<string, Promise<Values>>();
const EARLY_MAX = 8;

/** The values of a frame, loaded once until they are forgotten. */
export function valuesEarly(frame: Frame): Promise<Values> {
  const known = early.get(frame.imageId);
  if (known) return known;
  const loading = valuesOf(frame);
  early.set(frame.imageId, loading);
  loading.catch(() => early.delete(frame.imageId));
  for (const imageId of early.keys()) {
    if (early.size <= EARLY_MAX) break;
    early.delete(imageId);
  }
  return loading;
}

export const takeValues = (frame: Frame, signal?: AbortSignal): Promise<Values> =>
  early.get(frame.imageId) ?? valuesOf(frame, signal);

/** What is on the screen by the renderer is kept by its cache. */
export const forgetEarlyValues = (imageId: string): boolean => early.delete(imageId);

/** What is kept of other studies is dropped. */
export function keepEarlyValuesOf(studyInstanceUid: string): void {
  palettes.clear();
  for (const imageId of early.keys())
    if (!imageId.includes(`/studies/${studyInstanceUid}/`)) early.delete(imageId);
}
