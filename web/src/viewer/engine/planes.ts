/** Planes cut from a volume, in three viewports that share a point: opening, moving, turning, thickening them. */
import { CONSTANTS } from '@cornerstonejs/core';
import type { StackDisplaySet } from '../data/displaySets';
import {
  fitScale,
  type Geometry,
  imageToWorld,
  centerPixel,
  type Presentation,
  scaleOf,
  type Size,
} from '../data/orientation';
import { distanceTo, frameOfReferenceOf, nearestFrame, normalOfGeometry, worldToImage } from '../data/places';
import { basesOf, PLANES, type PlaneName, type PlaneStack, planeStack, rotatedAbout } from '../data/planes';
import { reslice, type Slab, THIN, worldAt } from '../data/reslice';
import { add, scale, type Vector3 } from '../data/vectors';
import { type Grid, type Irregularity, regularityOf } from '../data/volume';
import { closeRendering } from '../rendering/state';
import { type PlanesState, useSpace } from '../state/space';
import {
  changePane,
  openDisplaySet,
  type PaneId,
  setIndex,
  setLayout,
  stackOf,
  useViewer,
  visiblePanes,
} from '../state/store';
import { noticeOf } from '../tools/notices';
import { asFailure } from '../data/errors';
import { deriveBy } from './frameLoader';
import { geometryOf } from './geometry';
import { session } from './session';
import { forgetVolumes, volumeOf } from './volumes';

/** For what renders volumes, which is loaded apart. */
export { reserve } from './volumes';
export const { VIEWPORT_PRESETS } = CONSTANTS;

const stacks = new Map<string, PlaneStack>();
let revision = 0;

const stackIdOf = (imageId: string): string => imageId.slice(0, imageId.lastIndexOf(':'));

export function volumeOfStack(stack: StackDisplaySet): ReturnType<typeof volumeOf> {
  return volumeOf(stack, (imageId) => session.pixelsOf(stack, imageId));
}

deriveBy(async (frame) => {
  const stack = stacks.get(stackIdOf(frame.imageId));
  const source = stack && useViewer.getState().displaySets[stack.derived.sourceId];
  const geometry = geometryOf(frame);
  if (!stack || source?.kind !== 'stack' || !geometry) throw asFailure('The volume is not open any more.');
  const volume = await volumeOfStack(source);
  return reslice(volume, geometry, stack.derived.slab);
});

/** The stack whose volume is meant: planes stand for the stack they are cut from. */
export function sourceOf(pane: PaneId): StackDisplaySet | null {
  const state = useViewer.getState();
  const stack = stackOf(state, pane);
  if (!stack?.derived) return stack;
  const source = state.displaySets[stack.derived.sourceId];
  return source?.kind === 'stack' ? source : null;
}

/** Stacks of the planes that have a viewport, with the distances that they have there. */
function build(source: StackDisplaySet, planes: Omit<PlanesState, 'sourceId' | 'center'>): PlaneStack[] {
  revision += 1;
  const state = useViewer.getState();
  return PLANES.flatMap((plane) => {
    const pane = planes.panes[plane];
    if (!pane) return [];
    const shown = stackOf(state, pane)?.derived;
    const intervalMm = shown?.sourceId === source.id ? shown.intervalMm : 0;
    const derivation = { plane, basis: planes.bases[plane], slab: planes.slab, intervalMm };
    return [planeStack(source, planes.grid, derivation, revision)];
  });
}

function put(list: PlaneStack[]): void {
  for (const stack of list) stacks.set(stack.id, stack);
  useViewer.setState(({ displaySets }) => ({
    displaySets: { ...displaySets, ...Object.fromEntries(list.map((stack) => [stack.id, stack])) },
  }));
}

/** Drops planes that no viewport shows any more, and their images. */
function dropUnused(): void {
  const { panes, displaySets } = useViewer.getState();
  const used = new Set(Object.values(panes).map(({ displaySetId }) => displaySetId));
  const unused = [...stacks.values()].filter(({ id }) => !used.has(id));
  for (const stack of unused) {
    stacks.delete(stack.id);
    session.forgetStack(stack);
  }
  const gone = new Set(unused.map(({ id }) => id));
  useViewer.setState({
    displaySets: Object.fromEntries(Object.entries(displaySets).filter(([id]) => !gone.has(id))),
  });
}

const middleOf = (grid: Grid): Vector3 =>
  worldAt(grid, [Math.floor(grid.size[0] / 2), Math.floor(grid.size[1] / 2), Math.floor(grid.size[2] / 2)]);

/** The planes of a stack that a protocol asks for, and the middle one; or why the stack is no volume. */
export function cutPlanes(
  source: StackDisplaySet,
  cut: { plane: PlaneName; slab: Slab; intervalMm: number },
): { kind: 'cut'; displaySetId: string; index: number } | { kind: 'irregular'; why: Irregularity } {
  const found = regularityOf(source.frames);
  if (found.kind === 'irregular') return found;
  const { grid } = found;
  revision += 1;
  const stack = planeStack(source, grid, { ...cut, basis: basesOf(grid)[cut.plane] }, revision);
  put([stack]);
  return {
    kind: 'cut',
    displaySetId: stack.id,
    index: nearestFrame(stack.frames, middleOf(grid))?.index ?? 0,
  };
}

/** Planes that a protocol hung share a point and a slab as if the reader had opened them: those like the first. */
export function joinPlanes(): void {
  const state = useViewer.getState();
  const cuts = visiblePanes(state).flatMap((pane) => {
    const derived = stackOf(state, pane)?.derived;
    return derived ? [{ pane, derived }] : [];
  });
  for (const sourceId of new Set(cuts.map(({ derived }) => derived.sourceId))) {
    const source = state.displaySets[sourceId];
    if (source?.kind === 'stack')
      volumeOfStack(source).catch((error: unknown) => useSpace.setState({ notice: noticeOf(error) }));
  }
  const [first] = cuts;
  const source = first && state.displaySets[first.derived.sourceId];
  const found = source?.kind === 'stack' ? regularityOf(source.frames) : null;
  if (!first || found?.kind !== 'regular') {
    useSpace.setState({ planes: null });
  } else {
    const { grid } = found;
    const { sourceId, slab } = first.derived;
    const panes: PlanesState['panes'] = {};
    for (const { pane, derived } of cuts) {
      const isAlike = derived.slab.mode === slab.mode && derived.slab.thicknessMm === slab.thicknessMm;
      if (derived.sourceId === sourceId && isAlike) panes[derived.plane] ??= pane;
    }
    const planes = { sourceId, grid, bases: basesOf(grid), center: middleOf(grid), slab, panes };
    useSpace.setState({ planes });
  }
  dropUnused();
}

/** The three planes of the active viewport's stack and the stack itself, two by two. Says why when it is no volume. */
export function openPlanes(): void {
  const source = sourceOf(useViewer.getState().active);
  if (!source) return;
  const found = regularityOf(source.frames);
  if (found.kind === 'irregular') {
    useSpace.setState({ notice: noticeOf(found.why) });
    return;
  }
  const { grid } = found;
  const { voi, isInverted } = useViewer.getState().panes[useViewer.getState().active];
  const bases = basesOf(grid);
  const center = middleOf(grid);
  const panes = { axial: 'pane1', coronal: 'pane2', sagittal: 'pane3' } as const;
  const list = build(source, { grid, bases, slab: THIN, panes });
  put(list);
  setLayout('2x2');
  volumeOfStack(source).catch((error: unknown) => {
    useSpace.setState({ notice: noticeOf(error) });
    closePlanes();
  });
  openDisplaySet('pane4', source.id);
  list.forEach((stack) => {
    const pane: PaneId = panes[stack.derived.plane];
    openDisplaySet(pane, stack.id);
    changePane(pane, { voi, isInverted, index: nearestFrame(stack.frames, center)?.index ?? 0 });
  });
  useViewer.setState({ active: 'pane1', tool: 'crosshair' });
  useSpace.setState({ planes: { sourceId: source.id, grid, bases, center, slab: THIN, panes } });
  dropUnused();
}

/** Back to the stack alone. */
export function closePlanes(): void {
  const { planes } = useSpace.getState();
  if (!planes) return;
  useSpace.setState({ planes: null });
  if (useViewer.getState().tool === 'crosshair') useViewer.setState({ tool: 'window' });
  for (const pane of new Set([...Object.values(planes.panes), 'pane1' as const]))
    openDisplaySet(pane, planes.sourceId);
  setLayout('1x1');
  dropUnused();
}

/** Which of the planes a viewport shows. */
export function planeIn(pane: PaneId): PlaneName | null {
  const stack = stackOf(useViewer.getState(), pane);
  return stack?.derived?.plane ?? null;
}

/** Brings all planes but that of `except` to a point. */
export function moveTo(center: Vector3, except: PaneId | null = null): void {
  const { planes } = useSpace.getState();
  if (!planes) return;
  useSpace.setState({ planes: { ...planes, center } });
  for (const plane of PLANES) {
    const pane = planes.panes[plane];
    if (!pane) continue;
    const stack = stackOf(useViewer.getState(), pane);
    const nearest = pane === except || !stack?.derived ? null : nearestFrame(stack.frames, center);
    if (nearest) setIndex(pane, nearest.index);
  }
}

/** Brings every viewport of the same frame of reference to a point of the patient, and marks it there. */
export function pointAt(from: PaneId, center: Vector3): void {
  const state = useViewer.getState();
  const frame = stackOf(state, from)?.frames[state.panes[from].index];
  const uid = frame ? frameOfReferenceOf(frame) : '';
  useSpace.setState({ cursor: uid === '' ? null : { center, frameOfReferenceUid: uid } });
  moveTo(center, from);
  for (const id of visiblePanes(state)) {
    const stack = stackOf(state, id);
    const [first] = stack?.frames ?? [];
    if (id === from || !stack || stack.derived || !first || uid === '' || frameOfReferenceOf(first) !== uid)
      continue;
    const nearest = nearestFrame(stack.frames, center);
    if (nearest) setIndex(id, nearest.index);
  }
}

/** The point of the patient under a point of an image, in the plane that its viewport shows. */
export function worldIn(pane: PaneId, imagePoint: readonly [number, number]): Vector3 | null {
  const state = useViewer.getState();
  const frame = stackOf(state, pane)?.frames[state.panes[pane].index];
  const geometry = frame && geometryOf(frame);
  return geometry ? imageToWorld(geometry, imagePoint) : null;
}

/** As large as before and the same point in the middle, though the image has another extent. */
function kept(before: Geometry, after: Geometry, presentation: Presentation, size: Size): Presentation {
  const world = imageToWorld(before, centerPixel(before, presentation));
  const [column, row] = worldToImage(after, world);
  return {
    ...presentation,
    zoom: scaleOf(before, presentation, size) / fitScale(after, presentation.orientation, size),
    center: [(column + 0.5) / after.columns, (row + 0.5) / after.rows],
  };
}

type Wish = Partial<Pick<PlanesState, 'bases' | 'slab'>>;
let wanted: Wish | null = null;
let isChanging = false;

function takeWish(): Wish | null {
  const wish = wanted;
  wanted = null;
  return wish;
}

/** Cuts the planes anew. Each image is made before it takes the place of the old one; while one is made only the last wish waits. */
async function change(wish: Wish): Promise<void> {
  wanted = { ...wanted, ...wish };
  if (isChanging) return;
  isChanging = true;
  try {
    for (let next = takeWish(); next; next = takeWish()) {
      const { planes } = useSpace.getState();
      const source = planes && useViewer.getState().displaySets[planes.sourceId];
      if (!planes || source?.kind !== 'stack') return;
      await replace(source, { ...planes, ...next });
    }
  } catch (error) {
    useSpace.setState({ notice: noticeOf(error) });
  } finally {
    isChanging = false;
  }
}

async function replace(source: StackDisplaySet, planes: PlanesState): Promise<void> {
  const list = build(source, planes);
  for (const stack of list) stacks.set(stack.id, stack);
  const targets = list.flatMap((stack) => {
    const pane = planes.panes[stack.derived.plane];
    return pane ? [{ stack, pane, index: nearestFrame(stack.frames, planes.center)?.index ?? 0 }] : [];
  });
  await Promise.all(targets.map(({ stack, index }) => session.makeReady(stack, index)));
  if (useSpace.getState().planes === null) return;
  put(list);
  useSpace.setState({ planes: { ...planes, center: useSpace.getState().planes?.center ?? planes.center } });
  for (const { stack, pane, index } of targets) {
    const view = session.views.get(pane);
    const before = view?.geometry;
    const frame = stack.frames[index];
    const after = frame && geometryOf(frame);
    changePane(pane, ({ presentation }) => ({
      displaySetId: stack.id,
      index,
      presentation: before && after ? kept(before, after, presentation, view.size) : presentation,
    }));
  }
  dropUnused();
}

/** Turns the other two planes about the normal of the one in a viewport. */
export function turnPlanes(pane: PaneId, radians: number): void {
  const { planes } = useSpace.getState();
  const plane = planeIn(pane);
  if (!planes || !plane) return;
  void change({ bases: rotatedAbout(wanted?.bases ?? planes.bases, plane, radians) });
}

export function setSlab(slab: Slab): void {
  if (useSpace.getState().planes) void change({ slab });
}

export function straighten(): void {
  const { planes } = useSpace.getState();
  if (planes) void change({ bases: basesOf(planes.grid), slab: planes.slab });
}

/** The shared point follows a viewport that is scrolled. Ends the planes when another study is opened. */
export function listenToPlanes(): () => void {
  return useViewer.subscribe((now, before) => {
    if (now.studyInstanceUid !== before.studyInstanceUid) {
      useSpace.setState({ planes: null, fusion: null, cursor: null });
      closeRendering();
      stacks.clear();
      forgetVolumes();
      return;
    }
    const { planes } = useSpace.getState();
    if (!planes) return;
    const pane = now.active;
    const [current, was] = [now.panes[pane], before.panes[pane]];
    if (current.index === was.index || current.displaySetId !== was.displaySetId) return;
    const stack = stackOf(now, pane);
    const frame = stack?.derived ? stack.frames[current.index] : undefined;
    const geometry = frame && geometryOf(frame);
    if (!geometry || !stack?.derived || planes.panes[stack.derived.plane] !== pane) return;
    const step = -distanceTo(geometry, planes.center);
    if (Math.abs(step) < 1e-6) return;
    useSpace.setState({
      planes: { ...planes, center: add(planes.center, scale(normalOfGeometry(geometry), step)) },
    });
  });
}
