/**
 * Cornerstone's image loader for `wadors:` ids, in place of its own: it sends the session cookie, can be aborted, always
 * settles, and hands over modality values or RGB that are right for every photometric interpretation.
 */
import { type Types, utilities } from '@cornerstonejs/core';
import { asFailure, Failure } from '../data/errors';
import type { Frame } from '../data/frames';
import { PLANES_PREFIX } from '../data/planes';
import { takeValues, type Values } from '../data/values';
import { frameOf } from './metadata';

/** Makes the values of a frame that is cut from a volume. */
export type MakeValues = (frame: Frame) => Promise<Types.PixelDataTypedArray>;

let makeDerived: MakeValues | null = null;

export const deriveBy = (make: MakeValues): void => {
  makeDerived = make;
};

async function derivedValues(frame: Frame): Promise<Values | null> {
  if (!makeDerived || !frame.imageId.startsWith(PLANES_PREFIX)) return null;
  return greyValues(await makeDerived(frame));
}

export function greyValues(data: Types.PixelDataTypedArray): Values {
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
    values = (await derivedValues(frame)) ?? (await takeValues(frame, signal));
  } catch (error) {
    throw asFailure(error);
  }
  return imageOf(imageId, frame, values, performance.now() - started);
}

/** What Cornerstone takes for an image: values of a frame, under an id. */
export function imageOf(imageId: string, frame: Frame, values: Values, loadTimeInMS: number): Types.IImage {
  const rows = frame.instance.pixels?.rows ?? 0;
  const columns = frame.instance.pixels?.columns ?? 0;
  const { data, min, max, components } = values;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    width: columns,
    height: rows,
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
    rows,
    columns,
    height: rows,
    width: columns,
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
    loadTimeInMS,
  };
  return image as unknown as Types.IImage;
}

export function loadFrame(imageId: string, options?: { signal?: AbortSignal }): Types.IImageLoadObject {
  return { promise: createImage(imageId, options?.signal) };
}
