/**
 * Segmentations (PS3.3 A.51, C.8.20): which of an object's frames lie on which image, and what their samples mean.
 *
 * The browser decodes them, one shown slice at a time: a frame is a range of bytes on the server, and what is not looked
 * at is neither fetched nor kept.
 */
import { type DicomJson, items, number, numbers, text } from '../data/dicomJson';
import { distanceAlongNormal, type Frame, framesOf, type Instance, lookup, normalOf } from '../data/frames';
import { dot } from '../data/vectors';
import { type Rgb, rgbFromCielab, spareColour } from './colour';

export interface Segment {
  number: number;
  label: string;
  description: string;
  /** What it is, in the words of its codes. */
  type: string;
  /** Of Segmented Property Type. */
  typeCode: string;
  isByHand: boolean;
  colour: Rgb;
}

export type SegmentationType = 'BINARY' | 'FRACTIONAL' | 'LABELMAP';

export interface Segmentation {
  sopInstanceUid: string;
  label: string;
  type: SegmentationType;
  /** The sample that means all of a pixel, of a fractional one. */
  fractionMax: number;
  segments: Segment[];
  frames: SegmentFrame[];
  /** Frames by the image they were drawn on: `uid#frame`, and `uid#` for the whole instance. */
  bySource: Map<string, SegmentFrame[]>;
  frameOfReferenceUid: string;
}

export interface SegmentFrame {
  frame: Frame;
  /** Null in a label map, where the samples say it. */
  segmentNumber: number | null;
}

const LABELMAP_CLASS = '1.2.840.10008.5.1.4.1.1.66.7';

function segmentsOf(dataset: DicomJson): Segment[] {
  return items(dataset, '00620002').map((item, index) => ({
    number: number(item, '00620004') ?? index + 1,
    label: text(item, '00620005'),
    description: text(item, '00620006'),
    type: text(items(item, '0062000F')[0], '00080104'),
    typeCode: text(items(item, '0062000F')[0], '00080100'),
    isByHand: text(item, '00620008') === 'MANUAL',
    colour: rgbFromCielab(numbers(item, '0062000D') ?? []) ?? spareColour(index),
  }));
}

function sourcesOf(frame: Frame): string[] {
  const derivations = lookup(frame, '00082112');
  const named = derivations ? items(derivations, '00082112') : [];
  return named.flatMap((source) => {
    const uid = text(source, '00081155');
    const frames = numbers(source, '00081160');
    return frames ? frames.map((each) => `${uid}#${each}`) : [`${uid}#`];
  });
}

export function readSegmentation(instance: Instance, root: string): Segmentation {
  const { dataset } = instance;
  const stated = text(dataset, '00620001').toUpperCase();
  const type: SegmentationType =
    instance.sopClassUid === LABELMAP_CLASS || stated === 'LABELMAP'
      ? 'LABELMAP'
      : stated === 'FRACTIONAL'
        ? 'FRACTIONAL'
        : 'BINARY';
  const bySource = new Map<string, SegmentFrame[]>();
  const frames = framesOf(instance, root).map((frame): SegmentFrame => {
    const identification = lookup(frame, '0062000B');
    const segmentNumber = type === 'LABELMAP' ? null : (number(identification, '0062000B') ?? 1);
    return { frame, segmentNumber };
  });
  for (const each of frames)
    for (const key of sourcesOf(each.frame)) bySource.set(key, [...(bySource.get(key) ?? []), each]);
  return {
    sopInstanceUid: instance.sopInstanceUid,
    label: text(dataset, '00700081') || text(dataset, '00700080') || text(dataset, '0008103E'),
    type,
    fractionMax: number(dataset, '0062000E') ?? 255,
    segments: segmentsOf(dataset),
    frames,
    bySource,
    frameOfReferenceUid: text(dataset, '00200052'),
  };
}

const PARALLEL = 0.999;
/** How far a segment's plane may be from an image's to be the same, in mm. */
const SAME_PLANE_MM = 0.01;

/** The frames of a segmentation that belong on an image: those that name it, else those in its plane. */
export function framesOn(segmentation: Segmentation, image: Frame): SegmentFrame[] {
  const { sopInstanceUid } = image.instance;
  const named = [
    ...(segmentation.bySource.get(`${sopInstanceUid}#${image.frameNumber}`) ?? []),
    ...(image.instance.numberOfFrames === 1 || segmentation.frames.length === 1
      ? (segmentation.bySource.get(`${sopInstanceUid}#`) ?? [])
      : []),
  ];
  if (named.length > 0) return [...new Set(named)];
  const uid = text(image.instance.dataset, '00200052');
  const normal = normalOf(image.plane);
  if (!uid || uid !== segmentation.frameOfReferenceUid || !normal) return [];
  const distance = distanceAlongNormal(image.plane, normal);
  if (distance === null) return [];
  return segmentation.frames.filter(({ frame }) => {
    const own = normalOf(frame.plane);
    if (!own || Math.abs(dot(own, normal)) < PARALLEL) return false;
    const at = distanceAlongNormal(frame.plane, normal);
    return at !== null && Math.abs(at - distance) < SAME_PLANE_MM;
  });
}

/** From the segmentation's pixels to the image's: [a, b, c, d, e, f] as a canvas takes it, pixel centres at whole numbers. */
export function segmentToImage(
  segment: Frame,
  image: Frame,
): readonly [number, number, number, number, number, number] {
  const to = image.plane;
  const from = segment.plane;
  if (!to.rowDirection || !to.columnDirection || !to.position) return [1, 0, 0, 1, 0, 0];
  if (!from.rowDirection || !from.columnDirection || !from.position) return [1, 0, 0, 1, 0, 0];
  const offset = [0, 1, 2].map((axis) => (from.position?.[axis] ?? 0) - (to.position?.[axis] ?? 0));
  const start = [offset[0] ?? 0, offset[1] ?? 0, offset[2] ?? 0] as const;
  return [
    (dot(from.rowDirection, to.rowDirection) * from.columnSpacing) / to.columnSpacing,
    (dot(from.rowDirection, to.columnDirection) * from.columnSpacing) / to.rowSpacing,
    (dot(from.columnDirection, to.rowDirection) * from.rowSpacing) / to.columnSpacing,
    (dot(from.columnDirection, to.columnDirection) * from.rowSpacing) / to.rowSpacing,
    dot(start, to.rowDirection) / to.columnSpacing,
    dot(start, to.columnDirection) / to.rowSpacing,
  ];
}

export interface Opacity {
  segmentNumber: number;
  /** One byte a pixel, 255 is all of it. */
  alpha: Uint8Array;
  count: number;
}

/** A frame's samples as how much of each pixel belongs to which segment. */
export function opacitiesOf(
  segmentation: Segmentation,
  segmentNumber: number | null,
  samples: ArrayLike<number>,
): Opacity[] {
  const bySegment = new Map<number, Opacity>();
  const full = segmentation.type === 'FRACTIONAL' ? Math.max(1, segmentation.fractionMax) : 1;
  for (let index = 0; index < samples.length; index += 1) {
    const sample = samples[index] ?? 0;
    if (sample <= 0) continue;
    const which = segmentNumber ?? sample;
    let found = bySegment.get(which);
    if (!found) {
      found = { segmentNumber: which, alpha: new Uint8Array(samples.length), count: 0 };
      bySegment.set(which, found);
    }
    found.alpha[index] =
      segmentation.type === 'FRACTIONAL' ? Math.min(255, Math.round((255 * sample) / full)) : 255;
    found.count += 1;
  }
  return [...bySegment.values()];
}
