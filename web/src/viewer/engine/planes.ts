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
import {
  basesOf,
  PLANES,
  PLANES_PREFIX,
  type PlaneName,
  type PlaneStack,
  planeStack,
  rotatedAbout,
} from '../data/planes';
import { reslice, type Slab, THIN, worldAt } from '../data/reslice';
import { add, scale, type Vector3 } from '../data/vectors';
import { regularityOf } from '../data/volume';
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

function build(source: StackDisplaySet, planes: Pick<PlanesState, 'grid' | 'bases' | 'slab'>): PlaneStack[] {
  revision += 1;
  return PLANES.map((plane) =>
    planeStack(source, planes.grid, { plane, basis: planes.bases[plane], slab: planes.slab }, revision),
  );
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
  const center = worldAt(grid, [
    Math.floor(grid.size[0] / 2),
    Math.floor(grid.size[1] / 2),
    Math.floor(grid.size[2] / 2),
  ]);
  const list = build(source, { grid, bases, slab: THIN });
  put(list);
  const panes: PlanesState['panes'] = { axial: 'pane1', coronal: 'pane2', sagittal: 'pane3' };
  setLayout('2x2');
  volumeOfStack(source).catch((error: unknown) => {
    useSpace.setState({ notice: noticeOf(error) });
    closePlanes();
  });
  openDisplaySet('pane4', source.id);
  list.forEach((stack) => {
    const pane = panes[stack.derived.plane];
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
  for (const plane of PLANES) openDisplaySet(planes.panes[plane], planes.sourceId);
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
  const targets = list.map((stack) => ({
    stack,
    pane: planes.panes[stack.derived.plane],
    index: nearestFrame(stack.frames, planes.center)?.index ?? 0,
  }));
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
    if (!geometry || !stack?.id.startsWith(PLANES_PREFIX)) return;
    const step = -distanceTo(geometry, planes.center);
    if (Math.abs(step) < 1e-6) return;
    useSpace.setState({
      planes: { ...planes, center: add(planes.center, scale(normalOfGeometry(geometry), step)) },
    });
  });
}
