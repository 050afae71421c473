/**
 * Cornerstone's image loader for `wadors:` ids, in place of its own: it sends the session cookie, can be aborted, always
 * settles, and hands over modality values or RGB that are right for every photometric interpretation.
 */
import { type Types, utilities } from '@cornerstonejs/core';
import { fetchBulk } from '../data/dicomweb';
import { type DicomJson, items } from '../data/dicomJson';
import { asFailure, Failure } from '../data/errors';
import { takeFrame } from '../data/frameBytes';
import { type Frame, frameNumberOf, lookup, type PixelFormat } from '../data/frames';
import { mark } from '../data/timing';
import { PLANES_PREFIX } from '../data/planes';
import { readPalette } from '../lut/palette';
import {
  isColour,
  maskStoredBits,
  modalityValues,
  type Rescale,
  rgbFromPalette,
  rgbFromSamples,
} from '../lut/pixels';
import { fetchTables, type Palette, readTable } from '../lut/tables';
import { decode } from './decode';
import { frameOf } from './metadata';

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

interface Values {
  data: Types.PixelDataTypedArray;
  min: number;
  max: number;
  components: 1 | 3;
}

async function valuesOf(frame: Frame, format: PixelFormat, signal?: AbortSignal): Promise<Values> {
  const url = frame.imageId.slice('wadors:'.length);
  const [part, palette] = await Promise.all([
    takeFrame(url, signal),
    format.photometricInterpretation === 'PALETTE COLOR' ? paletteOf(frame) : null,
    fetchTables(tablesOf(frame), bulkBytes),
  ]);
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

/** Makes the values of a frame that is cut from a volume. */
export type MakeValues = (frame: Frame) => Promise<Types.PixelDataTypedArray>;

let makeDerived: MakeValues | null = null;

export const deriveBy = (make: MakeValues): void => {
  makeDerived = make;
};

async function derivedValues(frame: Frame): Promise<Values | null> {
  if (!makeDerived || !frame.imageId.startsWith(PLANES_PREFIX)) return null;
  const data = await makeDerived(frame);
  let min = Infinity;
  let max = -Infinity;
  for (const value of data) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { data, min, max, components: 1 };
}

export async function createImage(imageId: string, signal?: AbortSignal): Promise<Types.IImage> {
  const frame = frameOf(imageId);
  const format = frame?.instance.pixels;
  if (!frame || !format) throw new Failure('unsupported', 'The object holds no pixels.');
  const started = performance.now();
  let values: Values;
  try {
    values = (await derivedValues(frame)) ?? (await valuesOf(frame, format, signal));
  } catch (error) {
    throw asFailure(error);
  }
  const { data, min, max, components } = values;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    width: format.columns,
    height: format.rows,
    scalarData: data,
    numberOfComponents: components,
  });
  const image = {
    imageId,
    minPixelValue: min,
    maxPixelValue: max,
    slope: 1,
    intercept: 0,
    windowCenter: components === 3 ? 128 : (min + max + 1) / 2,
    windowWidth: components === 3 ? 256 : Math.max(1, max - min + 1),
    voiLUTFunction: 'LINEAR',
    getPixelData: () => data,
    getCanvas: undefined,
    rows: format.rows,
    columns: format.columns,
    height: format.rows,
    width: format.columns,
    color: components === 3,
    rgba: false,
    numberOfComponents: components,
    columnPixelSpacing: frame.plane.columnSpacing,
    rowPixelSpacing: frame.plane.rowSpacing,
    invert: false,
    photometricInterpretation: components === 3 ? 'RGB' : 'MONOCHROME2',
    sizeInBytes: data.byteLength,
    dataType: data.constructor.name,
    voxelManager,
    loadTimeInMS: performance.now() - started,
  };
  return image as unknown as Types.IImage;
}

export function loadFrame(imageId: string, options?: { signal?: AbortSignal }): Types.IImageLoadObject {
  return { promise: createImage(imageId, options?.signal) };
}
