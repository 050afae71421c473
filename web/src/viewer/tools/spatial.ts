/** What the reader can do about where things lie: size, links, reference lines, the window of a region. */
import type { StackDisplaySet } from '../data/displaySets';
import { fitScale } from '../data/orientation';
import { frameOfReferenceOf } from '../data/places';
import { type Slab, SLAB_MODES } from '../data/reslice';
import { suvFactor } from '../data/suv';
import type { Point2 } from '../data/vectors';
import { screenScale } from '../state/screenScale';
import { type Fusion, type Link, type Notice, useSpace } from '../state/space';
import {
  changePane,
  displaySetsInOrder,
  type PaneId,
  stackOf,
  useViewer,
  visiblePanes,
} from '../state/store';
import { anchorsNow, followNow } from './links';
import { noticeOf } from './notices';
import { engineIfLoaded, loadEngine } from './withEngine';

export const tell = (notice: Notice | null): void => useSpace.setState({ notice });

/** As large on the screen as in the patient. Says why when the image has no millimetres. */
export async function showTrueSize(pane: PaneId = useViewer.getState().active): Promise<void> {
  const { session } = await loadEngine();
  const view = session.views.get(pane);
  const frame = view?.shownFrame;
  const geometry = view?.geometry;
  if (!view || !frame || !geometry) return;
  const { spacingSource } = frame.plane;
  if (spacingSource === 'none' || spacingSource === 'aspect') {
    tell({ text: 'trueSize.noSpacing' });
    return;
  }
  const pixelsPerMm = screenScale();
  if (pixelsPerMm === null) {
    useSpace.setState({ isCalibrating: true });
    return;
  }
  changePane(pane, ({ presentation }) => ({
    presentation: {
      ...presentation,
      zoom: pixelsPerMm / fitScale(geometry, presentation.orientation, view.size),
    },
  }));
}

export function toggleLink(link: Link): void {
  useSpace.setState(({ links }) => ({ links: { ...links, [link]: !links[link] } }));
  if (useSpace.getState().links[link]) followNow();
}

/** Links the viewports as they stand to each other now, whatever their frames of reference; again to end it. */
export function linkByHand(): void {
  const isOn = Object.keys(useSpace.getState().anchors).length > 0;
  useSpace.setState(({ links }) => ({
    anchors: isOn ? {} : anchorsNow(),
    links: { ...links, place: !isOn },
  }));
}

export const toggleReferenceLines = (): void =>
  useSpace.setState(({ hasReferenceLines }) => ({ hasReferenceLines: !hasReferenceLines }));

/** The window that shows best what lies in a rectangle of the viewport. */
export async function setWindowOfRegion(pane: PaneId, from: Point2, to: Point2): Promise<void> {
  const { windowOfRegion } = await import('../engine/magnify');
  const view = engineIfLoaded()?.session.views.get(pane);
  if (!view || stackOf(useViewer.getState(), pane) === null) return;
  const voi = windowOfRegion(view, useViewer.getState().panes[pane].presentation, from, to);
  if (voi) changePane(pane, { voi: { kind: 'set', voi, name: null } });
}

export const loadPlanes = async () => {
  await loadEngine();
  return import('../engine/planes');
};

/** Planes of the active stack, or back to the stack alone. */
export async function togglePlanes(): Promise<void> {
  const { openPlanes, closePlanes } = await loadPlanes();
  const state = useViewer.getState();
  if (visiblePanes(state).some((id) => stackOf(state, id)?.derived)) closePlanes();
  else openPlanes();
}

/** Turns the planes other than the active viewport's. */
export async function turnBy(degrees: number): Promise<void> {
  const { turnPlanes } = await loadPlanes();
  turnPlanes(useViewer.getState().active, (degrees * Math.PI) / 180);
}

export async function straightenPlanes(): Promise<void> {
  (await loadPlanes()).straighten();
}

export const SLAB_MAX_MM = 100;
export { SLAB_MODES };

export async function setSlabTo(slab: Partial<Slab>): Promise<void> {
  const { planes } = useSpace.getState();
  if (!planes) return;
  const next = { ...planes.slab, ...slab };
  const { setSlab } = await loadPlanes();
  setSlab({ ...next, thicknessMm: Math.min(SLAB_MAX_MM, Math.max(0, next.thicknessMm)) });
}

export const changeSlab = (mm: number): Promise<void> =>
  setSlabTo({ thicknessMm: (useSpace.getState().planes?.slab.thicknessMm ?? 0) + mm });

export function nextSlabMode(): Promise<void> {
  const mode = useSpace.getState().planes?.slab.mode ?? 'mean';
  return setSlabTo({ mode: SLAB_MODES[(SLAB_MODES.indexOf(mode) + 1) % SLAB_MODES.length] ?? 'mean' });
}

/** Of the greatest value of an overlay, or this SUV: what is drawn in the brightest colour. */
const SUV_BRIGHTEST = 10;

/** PET series (or the series with the fewest images) of the frame of reference that the active viewport shows. */
function overlayFor(): StackDisplaySet | null {
  const state = useViewer.getState();
  const base = stackOf(state, state.active);
  const [frame] = base?.frames ?? [];
  if (!base || !frame) return null;
  const uid = frameOfReferenceOf(frame);
  const sourceId = base.derived?.sourceId ?? base.id;
  const candidates = displaySetsInOrder(state).filter(
    (set): set is StackDisplaySet =>
      set.kind === 'stack' &&
      set.id !== sourceId &&
      set.frames[0] !== undefined &&
      frameOfReferenceOf(set.frames[0]) === uid,
  );
  return candidates.find(({ modality }) => modality === 'PT' || modality === 'NM') ?? null;
}

/** Lays the PET series over what shares its frame of reference, or takes it away. Says why when it cannot. */
export async function toggleFusion(): Promise<void> {
  if (useSpace.getState().fusion) {
    useSpace.setState({ fusion: null });
    return;
  }
  const overlay = overlayFor();
  if (!overlay) {
    tell({ text: 'fusion.none' });
    return;
  }
  const { volumeOfStack } = await loadPlanes();
  try {
    const volume = await volumeOfStack(overlay);
    const [frame] = overlay.frames;
    const suv = frame && suvFactor(frame, 'bw');
    const upper = suv?.kind === 'factor' ? SUV_BRIGHTEST / suv.factor : volume.most;
    useSpace.setState(({ fusionReady }) => ({
      fusion: { overlayId: overlay.id, map: 'hotIron', opacity: 0.6, lower: 0, upper },
      fusionReady: fusionReady + 1,
    }));
    if (suv?.kind === 'missing' && suv.gap !== 'notPet') tell({ text: `suv.${suv.gap}` });
  } catch (error) {
    tell(noticeOf(error));
  }
}

export const changeFusion = (change: Partial<Fusion>): void =>
  useSpace.setState(({ fusion }) => ({ fusion: fusion && { ...fusion, ...change } }));
