/** The segmentation that a reader is drawing: its segments, its masks by frame of the stack, and how the brush is set. */
import { create } from 'zustand';
import type { StackDisplaySet } from '../data/displaySets';
import { regularityOf } from '../data/volume';
import { type Rgb, spareColour } from '../overlays/colour';
import { record } from '../state/annotations';
import { applyPatch, countsOf, type Extent, interpolated, type Patch, patchOf } from './masks';
import type { TypeCode } from './types';

export interface Segment {
  number: number;
  label: string;
  /** Null: of a copied segment whose type is none of ours. */
  typeCode: TypeCode | null;
  colour: Rgb;
  /** False once thresholds helped. */
  isByHand: boolean;
}

export type Form = 'BINARY' | 'LABELMAP';

export interface Draft {
  stackId: string;
  label: string;
  segments: Segment[];
  active: number;
  form: Form;
  /** Not saved as it is now. */
  isChanged: boolean;
}

export interface SegmentsState {
  hasPanel: boolean;
  draft: Draft | null;
  /** In pixels of the image. */
  radius: number;
  /** In the unit of the values. */
  range: { lower: number; upper: number };
  /** The brush takes only what lies in the range. */
  isLimited: boolean;
  /** Raised when voxels change: masks are too large to be copied. */
  revision: number;
  /** Voxels by segment. */
  counts: Readonly<Record<number, number>>;
}

export const RADIUS_MIN = 0.5;
export const RADIUS_MAX = 100;
const SEGMENTS_MAX = 255;
export const BRUSH_STEP = 1.25;

const EMPTY: Pick<SegmentsState, 'draft' | 'revision' | 'counts'> = { draft: null, revision: 0, counts: {} };

export const useSegments = create<SegmentsState>(() => ({
  ...EMPTY,
  hasPanel: false,
  radius: 8,
  range: { lower: -100, upper: 300 },
  isLimited: false,
}));

const { getState, setState } = useSegments;

/** By index of the frame in the stack. Only frames that were touched have one. */
const masks = new Map<number, Uint8Array>();
const countsOfFrames = new Map<number, Uint32Array>();

export const maskOf = (index: number): Uint8Array | undefined => masks.get(index);

export function startSegments(): void {
  masks.clear();
  countsOfFrames.clear();
  setState(EMPTY);
}

export function resizeBrush(factor: number): void {
  setState(({ radius }) => ({
    radius: Math.round(Math.min(RADIUS_MAX, Math.max(RADIUS_MIN, radius * factor)) * 10) / 10,
  }));
}

export function changeDraft(change: Partial<Draft>): void {
  setState(({ draft }) => ({ draft: draft && { ...draft, isChanged: true, ...change } }));
}

export function changeSegment(number: number, change: Partial<Segment>): void {
  const { draft } = getState();
  if (draft)
    changeDraft({
      segments: draft.segments.map((each) => (each.number === number ? { ...each, ...change } : each)),
    });
}

export const newSegment = (number: number, label: string): Segment => ({
  number,
  label,
  typeCode: '52988006',
  colour: spareColour(number - 1),
  isByHand: true,
});

export function startDraft(stack: StackDisplaySet, label: string, segments: Segment[]): void {
  startSegments();
  setState({
    draft: { stackId: stack.id, label, segments, active: 1, form: 'BINARY', isChanged: false },
  });
}

export function addSegment(label: string): void {
  const { draft } = getState();
  if (!draft) return;
  const taken = new Set(draft.segments.map(({ number }) => number));
  const number = Array.from({ length: SEGMENTS_MAX }, (_, at) => at + 1).find((each) => !taken.has(each));
  if (number === undefined) return;
  changeDraft({ segments: [...draft.segments, newSegment(number, label)], active: number });
}

function count(): Record<number, number> {
  const sums: Record<number, number> = {};
  for (const counts of countsOfFrames.values())
    counts.forEach((value, number) => {
      if (number > 0 && value > 0) sums[number] = (sums[number] ?? 0) + value;
    });
  return sums;
}

export const extentOf = (stack: StackDisplaySet): Extent => ({
  columns: stack.representative.pixels?.columns ?? 0,
  rows: stack.representative.pixels?.rows ?? 0,
});

/** Changes voxels without a step of undo: while a stroke goes on, and from within the steps. */
export function apply(patches: readonly Patch[], extent: Extent, isForward: boolean): void {
  for (const patch of patches) {
    const mask = masks.get(patch.index) ?? new Uint8Array(extent.columns * extent.rows);
    masks.set(patch.index, mask);
    applyPatch(mask, patch, isForward);
    countsOfFrames.set(patch.index, countsOf(mask));
  }
  setState(({ revision, draft }) => ({
    revision: revision + 1,
    counts: count(),
    draft: draft && { ...draft, isChanged: true },
  }));
}

/** Makes what was changed a step that can be undone, beside those of the marks. */
export function recordPatches(patches: readonly Patch[], extent: Extent): void {
  const stackId = getState().draft?.stackId;
  const turn = (isForward: boolean) => (): void => {
    if (getState().draft?.stackId === stackId) apply(patches, extent, isForward);
  };
  if (patches.length > 0) record({ undo: turn(false), redo: turn(true) });
}

export function change(patches: readonly Patch[], extent: Extent): void {
  if (patches.length === 0) return;
  apply(patches, extent, true);
  recordPatches(patches, extent);
}

/** Takes a segment away with its voxels; one step brings both back. */
export function removeSegment(number: number, extent: Extent): void {
  const { draft } = getState();
  if (!draft || draft.segments.length < 2) return;
  const before = draft.segments;
  const after = before.filter((each) => each.number !== number);
  const patches = [...masks].flatMap(
    ([index, mask]) => patchOf(index, mask, placesOf(mask, number), () => 0) ?? [],
  );
  const set = (segments: Segment[]): void => changeDraft({ segments, active: segments.at(-1)?.number ?? 1 });
  set(after);
  apply(patches, extent, true);
  record({
    undo: () => {
      set(before);
      apply(patches, extent, false);
    },
    redo: () => {
      set(after);
      apply(patches, extent, true);
    },
  });
}

function placesOf(mask: Uint8Array, number: number): number[] {
  const found: number[] = [];
  mask.forEach((value, at) => {
    if (value === number) found.push(at);
  });
  return found;
}

/** Fills the slices between those where the segment was drawn. */
export function interpolate(stack: StackDisplaySet): void {
  const { draft } = getState();
  if (!draft) return;
  const extent = extentOf(stack);
  const [first] = stack.frames;
  const aspect = first ? first.plane.rowSpacing / first.plane.columnSpacing : 1;
  change(interpolated(masks, draft.active, extent, aspect), extent);
}

/** In ml; null where a slice has no thickness that is known: no regular volume, or no millimetres. */
export function voxelMl(stack: StackDisplaySet): number | null {
  const found = regularityOf(stack.frames);
  if (found.kind === 'irregular') return null;
  const [x, y, z] = found.grid.spacing;
  return (x * y * z) / 1000;
}

/** Frames that hold something, in the order of the stack. */
export function filledFrames(): [number, Uint8Array][] {
  return [...masks]
    .filter(([index]) => countsOfFrames.get(index)?.subarray(1).some(Boolean) ?? false)
    .sort(([a], [b]) => a - b);
}
