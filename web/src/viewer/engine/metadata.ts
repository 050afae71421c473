/**
 * The metadata that Cornerstone's renderer asks for on every image, answered from our own model: it follows functional
 * groups, falls back to the detector's spacing or the pixel aspect ratio, and costs nothing. (Cornerstone's own store,
 * `addDicomWebInstance`, costs 1 MB of code before the first image; whatever needs whole instances can fill it later.)
 */
import type { Frame } from '../data/frames';
import { isColour } from '../lut/pixels';
import { UNPLACED_COLUMNS, UNPLACED_ROWS } from './geometry';

const frames = new Map<string, Frame>();

export function registerFrames(list: Frame[]): void {
  for (const frame of list) frames.set(frame.imageId, frame);
}

export function unregisterFrames(list: Frame[]): void {
  for (const frame of list) frames.delete(frame.imageId);
}

export function forgetFrames(): void {
  frames.clear();
}

/** The frame of an image, or of one that is made of it: what stands after the scheme is the same (`differences.ts`). */
export const frameOf = (imageId: string): Frame | undefined =>
  frames.get(imageId) ?? frames.get(uriOf(imageId));

/** What stands after the first scheme. */
export const uriOf = (imageId: string): string => imageId.slice(imageId.indexOf(':') + 1);

type Provider = (frame: Frame) => unknown;

const MODULES: Record<string, Provider> = {
  imagePixelModule: ({ instance: { pixels } }) =>
    pixels && {
      ...pixels,
      pixelRepresentation: pixels.isSigned ? 1 : 0,
      // Our loader hands over RGB or MONOCHROME2 values; MONOCHROME1 is inverted by our own transfer function.
      photometricInterpretation: isColour(pixels) ? 'RGB' : 'MONOCHROME2',
    },
  imagePlaneModule: ({ plane, instance, sliceThickness, sliceLocation }) => {
    const rowCosines = plane.rowDirection ?? UNPLACED_ROWS;
    const columnCosines = plane.columnDirection ?? UNPLACED_COLUMNS;
    return {
      // Marks are kept by frame of reference; images without one share no space with others.
      frameOfReferenceUID: instance.dataset['00200052']?.Value?.[0] ?? instance.sopInstanceUid,
      rows: instance.pixels?.rows,
      columns: instance.pixels?.columns,
      imageOrientationPatient: [...rowCosines, ...columnCosines],
      rowCosines: [...rowCosines],
      columnCosines: [...columnCosines],
      imagePositionPatient: [...(plane.position ?? [0, 0, 0])],
      sliceThickness,
      sliceLocation,
      pixelSpacing: [plane.rowSpacing, plane.columnSpacing],
      rowPixelSpacing: plane.rowSpacing,
      columnPixelSpacing: plane.columnSpacing,
      usingDefaultValues: !plane.rowDirection || plane.spacingSource === 'none',
    };
  },
  generalSeriesModule: ({ instance }) => ({
    modality: instance.modality,
    seriesInstanceUID: instance.seriesInstanceUid,
    studyInstanceUID: instance.studyInstanceUid,
    seriesNumber: instance.dataset['00200011']?.Value?.[0],
  }),
};

export function provideMetadata(type: string, imageId: string): unknown {
  const provider = MODULES[type];
  const frame = provider && frameOf(imageId);
  return frame ? provider(frame) : undefined;
}
