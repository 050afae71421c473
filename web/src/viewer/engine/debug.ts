/**
 * `window.__filmless.viewer`: what the browser tests and a curious reader's console can ask of the viewer. It reveals
 * nothing that is not on the screen or behind the same session.
 */
import { cache } from '@cornerstonejs/core';
import { displayedFrames, useDisplayed } from '@/api/displayed';
import { usePreferences } from '@/api/preferences';
import { decodersStarted } from '../data/decoders';
import { framesWaiting } from '../data/frameBytes';
import { canvasToImage, edgeLetters, imageToCanvas, type Presentation } from '../data/orientation';
import { texts } from '../data/dicomJson';
import { timings } from '../data/timing';
import type { Point2, Vector3 } from '../data/vectors';
import { progressNow } from '../displayed/displayed';
import { useHanging } from '../hanging/state';
import { useAnnotations } from '../state/annotations';
import {
  PANES,
  type PaneId,
  setLayout,
  stackOf,
  useViewer,
  visiblePanes,
  setIndex,
  changePane,
} from '../state/store';
import { useSegments } from '../segments/draft';
import { useKeeping } from '../tools/annotations/keeping';
import { useRendering } from '../rendering/state';
import { useSpace } from '../state/space';
import { linesOf, uptakeAt } from '../ui/SpaceLayer';
import { shownWaveforms } from '../waveform/shown';
import type { SuvKind } from '../data/suv';
import { cacheBytes, limitCache } from './cornerstone';
import { pointAt, setSlab } from './planes';
import { session, valuesAt } from './session';
import { bytesOfVolumes } from './volumes';

function viewport(id: PaneId) {
  const state = useViewer.getState();
  const pane = state.panes[id];
  const view = session.views.get(id);
  const frame = view?.shownFrame ?? null;
  const geometry = view?.geometry ?? null;
  return {
    id,
    status: pane.status.kind,
    index: pane.index,
    /** What the renderer has drawn; the picture that stands in for it before does not count. */
    shown: frame && pane.shown,
    displaySetId: pane.displaySetId,
    imageIds: stackOf(state, id)?.frames.map((each) => each.imageId) ?? [],
    imageId: frame?.imageId ?? null,
    voi: pane.shownVoi,
    isInverted: pane.isInverted,
    presentation: pane.presentation,
    isPlaying: pane.isPlaying,
    letters:
      frame &&
      edgeLetters(frame.plane, texts(frame.instance.dataset, '00200020'), pane.presentation.orientation),
    slab: stackOf(state, id)?.derived?.slab ?? null,
    /** The frame on the screen: where it lies, in mm. */
    place: frame?.plane ?? null,
    camera: () => view?.viewport.getCamera() ?? null,
    /** The modality value of an image pixel, or its red, green and blue. */
    value: (column: number, row: number) => {
      const values = view?.image ? valuesAt(view.image, column, row) : null;
      return values?.length === 1 ? values[0] : values;
    },
    /** All values of the image on the screen, row by row. */
    values: () => (view?.image ? Array.from(view.image.getPixelData()) : null),
    /** Red, green and blue of the screen at a point of the viewport, in CSS pixels. */
    screen: ([x, y]: Point2) => {
      const canvas = view?.viewport.getCanvas();
      const context = canvas?.getContext('2d');
      if (!canvas || !context) return null;
      const ratio = window.devicePixelRatio || 1;
      return Array.from(
        context.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data.slice(0, 3),
      );
    },
    imageToCanvas: (point: Point2) =>
      view && geometry && imageToCanvas(geometry, pane.presentation, view.size, point),
    canvasToImage: (point: Point2) =>
      view && geometry && canvasToImage(geometry, pane.presentation, view.size, point),
    worldToCanvas: (point: Vector3) => view?.viewport.worldToCanvas([...point]) ?? null,
  };
}

const api = {
  viewport,
  viewports: () => visiblePanes(useViewer.getState()),
  allViewports: PANES,
  /** What the person set has come from the server. */
  get hasPreferences() {
    return usePreferences.getState().isLoaded;
  },
  get active() {
    return useViewer.getState().active;
  },
  get layout() {
    return useViewer.getState().layout;
  },
  setLayout,
  scrollTo: setIndex,
  present: (id: PaneId, change: Partial<Presentation>) =>
    changePane(id, ({ presentation }) => ({ presentation: { ...presentation, ...change } })),
  pointAt,
  /** Takes the GPU context of a viewport away, as a driver does. */
  loseContext: (id: PaneId) => {
    const drawing = session.views.get(id)?.viewport.getRenderingEngine() as unknown as {
      getOffscreenMultiRenderWindow: (viewportId: string) => {
        getOpenGLRenderWindow: () => { get3DContext: () => WebGL2RenderingContext };
      };
    };
    const window = drawing.getOffscreenMultiRenderWindow(id).getOpenGLRenderWindow();
    window.get3DContext().getExtension('WEBGL_lose_context')?.loseContext();
  },
  slab: setSlab,
  limitCache,
  /** What is kept, in bytes and numbers. */
  memory: () => ({
    imageBytes: cache.getCacheSize(),
    imageBytesMax: cacheBytes(),
    volumeBytes: bytesOfVolumes(),
    framesWaiting: framesWaiting(),
    decoders: decodersStarted(),
  }),
  space: useSpace,
  lines: (id: PaneId) => linesOf(useViewer.getState(), useSpace.getState(), id),
  uptake: (id: PaneId, point: Point2, kind: SuvKind) => {
    const state = useViewer.getState();
    const stack = stackOf(state, id);
    const frame = stack?.frames[state.panes[id].shown ?? -1];
    return stack && frame ? uptakeAt(id, point, stack, frame, useSpace.getState().fusion, kind) : null;
  },
  get series() {
    return useViewer.getState().series;
  },
  get displaySets() {
    return Object.values(useViewer.getState().displaySets);
  },
  get loaded() {
    return useViewer.getState().loaded;
  },
  get hanging() {
    return useHanging.getState();
  },
  /** The reader's marks on the study. */
  get annotations() {
    return useAnnotations.getState().items;
  },
  /** The segmentation that is being drawn: voxels by segment. */
  get segments() {
    const { draft, counts, radius } = useSegments.getState();
    return { draft, counts, radius };
  },
  /** Whether they are on the server. */
  get keeping() {
    return useKeeping.getState();
  },
  /** What was displayed of the study: ranges of frames by SOP Instance UID, and how many images are left. */
  get displayed() {
    const { hasFailed } = useDisplayed.getState();
    return { frames: Object.fromEntries(displayedFrames()), progress: progressNow(), hasFailed };
  },
  /** The volume that is rendered: its scene, and where it is on the screen. */
  get rendering() {
    const { scene } = useRendering.getState();
    return (
      scene && {
        scene,
        preset: scene.preset,
        applied: scene.applied,
        pixelsPerMm: scene.pixelsPerMm,
        size: scene.size,
        ...scene.directions,
      }
    );
  },
  /** The paper of the waveform in a viewport: its cells, scales, caliper. */
  waveform: (id: PaneId) => shownWaveforms.get(id) ?? null,
  get timings() {
    return timings();
  },
};

declare global {
  interface Window {
    __filmless?: { viewer?: typeof api };
  }
}

export function expose(): void {
  window.__filmless = { ...window.__filmless, viewer: api };
}
