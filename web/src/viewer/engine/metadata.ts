/**
 * Metadata for Cornerstone. Whole instances go to its own store (`addDicomWebInstance`, once per SOP instance); the
 * modules that rendering asks for on every image are answered from our own model: they follow functional groups, fall
 * back to the detector's spacing or the pixel aspect ratio, and cost nothing.
 */
import { utilities } from '@cornerstonejs/metadata';
import type { Frame, Instance } from '../data/frames';
import { isColour } from '../lut/pixels';
import { UNPLACED_COLUMNS, UNPLACED_ROWS } from './geometry';

const frames = new Map<string, Frame>();
const registered = new Set<string>();

export function registerFrames(list: Frame[]): void {
  for (const frame of list) frames.set(frame.imageId, frame);
}

export function forgetFrames(): void {
  frames.clear();
}

export const frameOf = (imageId: string): Frame | undefined => frames.get(imageId);

export function registerInstance(instance: Instance, imageId: string): void {
  if (registered.has(instance.sopInstanceUid)) return;
  registered.add(instance.sopInstanceUid);
  void utilities.addDicomWebInstance(imageId, instance.dataset);
}

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
      frameOfReferenceUID: instance.dataset['00200052']?.Value?.[0],
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
  const frame = provider && frames.get(imageId);
  return frame ? provider(frame) : undefined;
}
