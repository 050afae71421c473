/** What the hand does with the brush, the eraser and the fill, on the picture of a viewport. */
import type { StackDisplaySet } from '../data/displaySets';
import { canvasToImage } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import { session } from '../engine/session';
import { type PaneId, stackOf, useViewer } from '../state/store';
import { unitOf } from '../tools/annotations/measure';
import { apply, change, changeSegment, extentOf, maskOf, recordPatches, useSegments } from './draft';
import { type Extent, type Patch, patchOf, regionFrom, strokeBetween } from './masks';

interface Place {
  stack: StackDisplaySet;
  index: number;
  point: Point2;
  extent: Extent;
  aspect: number;
  /** Modality values in the unit of the screen; null in colour. */
  valueAt: ((at: number) => number) | null;
}

interface Stroke {
  pane: PaneId;
  index: number;
  last: Point2;
  patches: Patch[];
}

let stroke: Stroke | null = null;

function placeOf(pane: PaneId, canvasPoint: Point2): Place | null {
  const { draft } = useSegments.getState();
  const stack = stackOf(useViewer.getState(), pane);
  const view = session.views.get(pane);
  const frame = view?.shownFrame;
  const geometry = frame && geometryOf(frame);
  if (!draft || stack?.id !== draft.stackId || !frame || !geometry || !view.image) return null;
  const { presentation } = useViewer.getState().panes[pane];
  const pixels = view.image.getPixelData();
  const { factor } = unitOf(frame);
  return {
    stack,
    index: stack.frames.indexOf(frame),
    point: canvasToImage(geometry, presentation, view.size, canvasPoint),
    extent: extentOf(stack),
    aspect: geometry.rowSpacing / geometry.columnSpacing,
    valueAt: view.image.color ? null : (at) => (pixels[at] ?? 0) * factor,
  };
}

const isInRange = (value: number): boolean => {
  const { lower, upper } = useSegments.getState().range;
  return value >= lower && value <= upper;
};

function paint(
  { index, point, extent, aspect, valueAt }: Place,
  from: Point2,
  isErasing: boolean,
): Patch | null {
  const { draft, radius, isLimited } = useSegments.getState();
  if (!draft || index < 0) return null;
  const places = new Set<number>();
  strokeBetween(extent, from, point, radius, aspect, (at) => places.add(at));
  if (isLimited && !isErasing && valueAt)
    for (const at of places) if (!isInRange(valueAt(at))) places.delete(at);
  const mask = maskOf(index) ?? new Uint8Array(extent.columns * extent.rows);
  const { active } = draft;
  return patchOf(index, mask, places, (before) => (isErasing ? (before === active ? 0 : before) : active));
}

/** Values within the range count as drawn with help. */
function noteHelp(): void {
  const { draft } = useSegments.getState();
  if (draft?.segments.find(({ number }) => number === draft.active)?.isByHand)
    changeSegment(draft.active, { isByHand: false });
}

export function startStroke(pane: PaneId, canvasPoint: Point2, isErasing: boolean): void {
  const place = placeOf(pane, canvasPoint);
  if (!place) return;
  stroke = { pane, index: place.index, last: place.point, patches: [] };
  continueStroke(pane, canvasPoint, isErasing);
}

export function continueStroke(pane: PaneId, canvasPoint: Point2, isErasing: boolean): void {
  const place = placeOf(pane, canvasPoint);
  if (!stroke || !place || stroke.pane !== pane || stroke.index !== place.index) return;
  const patch = paint(place, stroke.last, isErasing);
  stroke.last = place.point;
  if (!patch) return;
  stroke.patches.push(patch);
  apply([patch], place.extent, true);
  if (useSegments.getState().isLimited && !isErasing) noteHelp();
}

/** The whole stroke is one step of undo. */
export function endStroke(): void {
  const done = stroke;
  stroke = null;
  const stack = done && stackOf(useViewer.getState(), done.pane);
  if (done && stack) recordPatches(joined(done.patches), extentOf(stack));
}

/** Of patches of one frame: what was before the first and is after the last. */
function joined(patches: readonly Patch[]): Patch[] {
  const [first] = patches;
  if (!first) return [];
  const before = new Map<number, number>();
  const after = new Map<number, number>();
  for (const patch of patches)
    patch.at.forEach((at, each) => {
      if (!before.has(at)) before.set(at, patch.before[each] ?? 0);
      after.set(at, patch.after[each] ?? 0);
    });
  return [
    {
      index: first.index,
      at: Uint32Array.from(before.keys()),
      before: Uint8Array.from(before.values()),
      after: Uint8Array.from(after.values()),
    },
  ];
}

/** Fills what hangs together with the pixel under the pointer and lies in the range. */
export function fillAt(pane: PaneId, canvasPoint: Point2): void {
  const place = placeOf(pane, canvasPoint);
  const { draft } = useSegments.getState();
  if (!place?.valueAt || !draft) return;
  const { extent, index, point, valueAt } = place;
  const [column, row] = [Math.round(point[0]), Math.round(point[1])];
  if (column < 0 || row < 0 || column >= extent.columns || row >= extent.rows) return;
  const region = regionFrom(extent, row * extent.columns + column, (at) => isInRange(valueAt(at)));
  const mask = maskOf(index) ?? new Uint8Array(extent.columns * extent.rows);
  const patch = patchOf(index, mask, region, () => draft.active);
  if (!patch) return;
  change([patch], extent);
  noteHelp();
}
