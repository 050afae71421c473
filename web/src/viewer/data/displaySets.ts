/**
 * What a viewport opens: a display set. A series is one, except that
 * - each multi-frame instance is one of its own (a cine loop is not a slice of a stack),
 * - objects without images (reports, PDF, key objects ...) are one each: listed, named, not stacked,
 * - localizers (ImageType ... LOCALIZER) are kept apart from the images they plan,
 * - images whose plane or size cannot be stacked with the rest stay in the series: readers expect to find them there.
 */
import { text, texts } from './dicomJson';
import {
  distanceAlongNormal,
  type Frame,
  framesOf,
  type Instance,
  normalOf,
  type Plane,
  readInstance,
} from './frames';
import type { DicomJson } from './dicomJson';
import type { Derivation } from './planes';
import { isVideo, kindOf, type ObjectKind } from './sopClasses';
import { dot, type Vector3 } from './vectors';

export type Ordering = 'position' | 'instanceNumber' | 'frame';

interface DisplaySetBase {
  id: string;
  studyInstanceUid: string;
  seriesInstanceUid: string;
  seriesNumber: number | null;
  modality: string;
  description: string;
  /** Instance whose thumbnail stands for the set. */
  representative: Instance;
}

export interface StackDisplaySet extends DisplaySetBase {
  kind: 'stack';
  frames: Frame[];
  isMultiFrame: boolean;
  ordering: Ordering;
  /** Of planes cut from another stack: nothing that the archive holds, so nothing can be saved on them. */
  derived?: Derivation;
}

export interface ObjectDisplaySet extends DisplaySetBase {
  kind: 'object';
  object: Exclude<ObjectKind, 'image'>;
  title: string;
}

export type DisplaySet = StackDisplaySet | ObjectDisplaySet;

const byInstanceNumber = (a: Instance, b: Instance): number =>
  (a.instanceNumber ?? Number.MAX_SAFE_INTEGER) - (b.instanceNumber ?? Number.MAX_SAFE_INTEGER) ||
  (a.acquisitionNumber ?? 0) - (b.acquisitionNumber ?? 0) ||
  (a.sopInstanceUid < b.sopInstanceUid ? -1 : 1);

const isParallel = (plane: Plane, normal: Vector3): boolean => {
  const own = normalOf(plane);
  return own !== null && Math.abs(dot(own, normal)) > 0.99;
};

/**
 * Sorts single-frame instances along the normal of their common plane. Null when they have none, or when several lie at
 * most positions (time series, echoes, diffusion): then the scanner's own numbering tells more than the position.
 */
export function sortedByPosition(frames: Frame[]): Frame[] | null {
  const [first] = frames;
  if (!first || frames.length < 2) return null;
  const normal = normalOf(first.plane);
  if (!normal) return null;
  const placed: { frame: Frame; distance: number }[] = [];
  for (const frame of frames) {
    const distance = distanceAlongNormal(frame.plane, normal);
    if (distance === null || !isParallel(frame.plane, normal)) return null;
    placed.push({ frame, distance });
  }
  placed.sort((a, b) => a.distance - b.distance || byInstanceNumber(a.frame.instance, b.frame.instance));
  const repeated = placed.filter((entry, index) => {
    const before = placed[index - 1];
    return before !== undefined && Math.abs(entry.distance - before.distance) < 1e-3;
  }).length;
  if (repeated > placed.length / 4) return null;
  // Keep the scanner's direction: reversed when instance numbers fall along the normal.
  const numbersRise = placed.reduce((sum, entry, index) => {
    const before = placed[index - 1];
    if (!before) return sum;
    return (
      sum +
      Math.sign((entry.frame.instance.instanceNumber ?? 0) - (before.frame.instance.instanceNumber ?? 0))
    );
  }, 0);
  const ordered = placed.map((entry) => entry.frame);
  return numbersRise < 0 ? ordered.reverse() : ordered;
}

function titleOf(instance: Instance): string {
  const { dataset } = instance;
  return (
    text(dataset, '00420010') ||
    text(dataset, '00700081') ||
    text(dataset, '00700080') ||
    text(dataset, '30060002')
  );
}

function baseOf(instance: Instance): Omit<DisplaySetBase, 'id'> {
  const { dataset } = instance;
  const number = Number.parseInt(text(dataset, '00200011'), 10);
  return {
    studyInstanceUid: instance.studyInstanceUid,
    seriesInstanceUid: instance.seriesInstanceUid,
    seriesNumber: Number.isNaN(number) ? null : number,
    modality: instance.modality,
    description: text(dataset, '0008103E') || text(dataset, '00181030'),
    representative: instance,
  };
}

function stackOf(id: string, instances: Instance[], root: string): StackDisplaySet | null {
  const [first] = instances;
  if (!first) return null;
  const frames = instances.flatMap((instance) => framesOf(instance, root).slice(0, 1));
  const byPosition = sortedByPosition(frames);
  const ordered = byPosition ?? frames;
  const middle = ordered[Math.floor(ordered.length / 2)];
  return {
    ...baseOf(first),
    kind: 'stack',
    id,
    frames: ordered,
    isMultiFrame: false,
    ordering: byPosition ? 'position' : 'instanceNumber',
    representative: middle?.instance ?? first,
  };
}

const isLocalizer = (instance: Instance): boolean => instance.imageType.includes('LOCALIZER');

function kindOfInstance(instance: Instance): ObjectKind {
  const { transferSyntaxUid, pixels, dataset } = instance;
  const photometricInterpretation = pixels?.photometricInterpretation ?? '';
  if (isVideo({ transferSyntaxUid, photometricInterpretation, lossyMethods: texts(dataset, '00282114') }))
    return 'video';
  return kindOf(instance.sopClassUid, pixels !== null, transferSyntaxUid);
}

/** Splits the instances of one series; the order is that in which they should be offered. */
export function splitSeries(datasets: DicomJson[], root: string): DisplaySet[] {
  const instances = datasets.map(readInstance).sort(byInstanceNumber);
  const [any] = instances;
  if (!any) return [];
  const single: Instance[] = [];
  const multiFrame: Instance[] = [];
  const objects: { instance: Instance; object: Exclude<ObjectKind, 'image'> }[] = [];
  for (const instance of instances) {
    const kind = kindOfInstance(instance);
    if (kind !== 'image') objects.push({ instance, object: kind });
    else if (instance.numberOfFrames > 1) multiFrame.push(instance);
    else single.push(instance);
  }
  const localizers = single.filter(isLocalizer);
  const others = single.filter((instance) => !isLocalizer(instance));
  const uid = any.seriesInstanceUid;
  const groups = others.length > 0 && localizers.length > 0 ? [others, localizers] : [single];
  const stacks = groups
    .map((group, index) => stackOf(index === 0 ? uid : `${uid}#localizer`, group, root))
    .filter((stack): stack is StackDisplaySet => stack !== null);
  return [
    ...stacks,
    ...multiFrame.map((instance): StackDisplaySet => ({
      ...baseOf(instance),
      kind: 'stack',
      id: `${uid}#${instance.sopInstanceUid}`,
      frames: framesOf(instance, root),
      isMultiFrame: true,
      ordering: 'frame',
    })),
    ...objects.map(({ instance, object }): ObjectDisplaySet => ({
      ...baseOf(instance),
      kind: 'object',
      id: `${uid}#${instance.sopInstanceUid}`,
      object,
      title: titleOf(instance),
    })),
  ];
}
