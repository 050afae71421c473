/**
 * Viewports that follow the one in use: in place, window and view. By Frame of Reference UID the place is the patient's;
 * by hand it is where the viewports stood to each other when they were linked.
 */
import type { Geometry } from '../data/orientation';
import { fitScale, imageToWorld, scaleOf } from '../data/orientation';
import {
  frameOfReferenceOf,
  isParallel,
  isPlaced,
  middleOf,
  nearestFrame,
  normalOfGeometry,
  worldToImage,
} from '../data/places';
import { centerPixel } from '../data/orientation';
import type { Frame } from '../data/frames';
import { dot } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import { type Anchor, useSpace } from '../state/space';
import {
  changePane,
  type Pane,
  type PaneId,
  setIndex,
  stackOf,
  useViewer,
  type ViewerState,
  visiblePanes,
} from '../state/store';
import { engineIfLoaded } from './withEngine';

const frameIn = (state: ViewerState, id: PaneId): Frame | null =>
  stackOf(state, id)?.frames[state.panes[id].index] ?? null;

/** Where a slice is along its stack: in mm when it has a place, else by number. */
function placeOf(frame: Frame, index: number): Anchor['at'] {
  const geometry = isPlaced(frame) ? geometryOf(frame) : null;
  if (!geometry) return { kind: 'index', index };
  return { kind: 'mm', mm: dot(geometry.position, normalOfGeometry(geometry)) };
}

/** Notes how the visible viewports stand to each other now. */
export function anchorsNow(): Partial<Record<PaneId, Anchor>> {
  const state = useViewer.getState();
  const anchors: Partial<Record<PaneId, Anchor>> = {};
  for (const id of visiblePanes(state)) {
    const frame = frameIn(state, id);
    const { displaySetId, index } = state.panes[id];
    if (frame && displaySetId !== null) anchors[id] = { displaySetId, at: placeOf(frame, index), index };
  }
  return anchors;
}

const anchorOf = (id: PaneId, pane: Pane): Anchor | null => {
  const anchor = useSpace.getState().anchors[id];
  return anchor && anchor.displaySetId === pane.displaySetId ? anchor : null;
};

function followByHand(state: ViewerState, source: PaneId, target: PaneId): boolean {
  const from = anchorOf(source, state.panes[source]);
  const to = anchorOf(target, state.panes[target]);
  const frame = frameIn(state, source);
  const stack = stackOf(state, target);
  if (!from || !to || !frame || !stack) return false;
  const now = placeOf(frame, state.panes[source].index);
  if (now.kind === 'mm' && from.at.kind === 'mm' && to.at.kind === 'mm') {
    const own = geometryOf(frame);
    const other = stack.frames[to.index] && geometryOf(stack.frames[to.index] as Frame);
    const isTurned = own && other ? dot(normalOfGeometry(own), normalOfGeometry(other)) < 0 : false;
    const wanted = to.at.mm + (now.mm - from.at.mm) * (isTurned ? -1 : 1);
    let nearest = to.index;
    let least = Infinity;
    stack.frames.forEach((each, index) => {
      const at = placeOf(each, index);
      const apart = at.kind === 'mm' ? Math.abs(at.mm - wanted) : Infinity;
      if (apart < least) [nearest, least] = [index, apart];
    });
    setIndex(target, nearest);
  } else {
    setIndex(target, to.index + state.panes[source].index - from.index);
  }
  return true;
}

function followInPatient(state: ViewerState, source: PaneId, target: PaneId): void {
  const frame = frameIn(state, source);
  const other = frameIn(state, target);
  const stack = stackOf(state, target);
  if (!frame || !other || !stack || !isPlaced(frame) || !isPlaced(other)) return;
  const uid = frameOfReferenceOf(frame);
  if (uid === '' || uid !== frameOfReferenceOf(other)) return;
  const geometry = geometryOf(frame);
  const otherGeometry = geometryOf(other);
  // A stack in another plane has no slice that is the same; reference lines show where it is.
  if (!geometry || !otherGeometry) return;
  if (!isParallel(normalOfGeometry(geometry), normalOfGeometry(otherGeometry))) return;
  const nearest = nearestFrame(stack.frames, middleOf(geometry));
  if (nearest) setIndex(target, nearest.index);
}

/** The same mm to the screen's pixel, and the same point in the middle where the planes are parallel. */
function followView(state: ViewerState, source: PaneId, target: PaneId): void {
  const session = engineIfLoaded()?.session;
  const from = session?.views.get(source);
  const to = session?.views.get(target);
  const frame = frameIn(state, source);
  const other = frameIn(state, target);
  const geometry = frame && geometryOf(frame);
  const otherGeometry = other && geometryOf(other);
  if (!from || !to || !geometry || !otherGeometry) return;
  const { presentation } = state.panes[source];
  const own = state.panes[target].presentation;
  const uid = frameOfReferenceOf(frame);
  const isShared = uid !== '' && uid === frameOfReferenceOf(other) && isPlaced(frame) && isPlaced(other);
  if (!isShared) {
    if (anchorOf(source, state.panes[source]) && anchorOf(target, state.panes[target]))
      changePane(target, { presentation: { ...own, zoom: presentation.zoom, center: presentation.center } });
    return;
  }
  const zoom = scaleOf(geometry, presentation, from.size) / fitScale(otherGeometry, own.orientation, to.size);
  changePane(target, {
    presentation: { ...own, zoom, center: centerFor(geometry, otherGeometry, presentation) ?? own.center },
  });
}

function centerFor(
  geometry: Geometry,
  other: Geometry,
  presentation: Pane['presentation'],
): readonly [number, number] | null {
  if (!isParallel(normalOfGeometry(geometry), normalOfGeometry(other))) return null;
  const world = imageToWorld(geometry, centerPixel(geometry, presentation));
  const [column, row] = worldToImage(other, world);
  return [(column + 0.5) / other.columns, (row + 0.5) / other.rows];
}

function followWindow(state: ViewerState, source: PaneId, target: PaneId): void {
  if (stackOf(state, source)?.modality !== stackOf(state, target)?.modality) return;
  const { voi, isInverted } = state.panes[source];
  changePane(target, { voi, isInverted });
}

let isFollowing = false;

function follow(state: ViewerState, what: { place: boolean; window: boolean; view: boolean }): void {
  const source = state.active;
  if (stackOf(state, source) === null) return;
  isFollowing = true;
  try {
    for (const target of visiblePanes(state)) {
      if (target === source || stackOf(state, target) === null) continue;
      if (what.place && !followByHand(state, source, target)) followInPatient(state, source, target);
      if (what.window) followWindow(state, source, target);
      if (what.view) followView(state, source, target);
    }
  } finally {
    isFollowing = false;
  }
}

/** Brings the others to where the active viewport is, as linked now. */
export function followNow(): void {
  const { links } = useSpace.getState();
  follow(useViewer.getState(), links);
}

/** Follows the viewport in use; the function returned stops it. */
export function listenToLinks(): () => void {
  return useViewer.subscribe((now, before) => {
    if (isFollowing) return;
    const { links } = useSpace.getState();
    const pane = now.panes[now.active];
    const was = before.panes[now.active];
    if (pane === was || now.studyInstanceUid !== before.studyInstanceUid) return;
    const what = {
      place: links.place && pane.index !== was.index,
      window: links.window && (pane.voi !== was.voi || pane.isInverted !== was.isInverted),
      view: links.view && pane.presentation !== was.presentation,
    };
    if (what.place || what.window || what.view) follow(now, what);
  });
}
