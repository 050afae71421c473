/** Makes the screen follow the state: loads the frames that are wanted, shows them, plays, and loads ahead. */
import { cache, Enums, eventTarget, type Types } from '@cornerstonejs/core';
import { advance, RATE_WITHOUT_DATA, rateFromData } from '../data/cine';
import type { StackDisplaySet } from '../data/displaySets';
import { asFailure, Failure, withTimeout } from '../data/errors';
import type { Frame } from '../data/frames';
import { canvasToImage } from '../data/orientation';
import { interleaved, LoadQueue, nearestFirst } from '../data/prefetch';
import { valueAt } from '../data/reslice';
import { mark } from '../data/timing';
import { notePainted } from '../displayed/displayed';
import { useRendering } from '../rendering/state';
import { forgetEarlyValues, paddingOf } from '../data/values';
import type { Point2, Vector3 } from '../data/vectors';
import { automaticOf, chosenVoi, forgetAutomatic, isMonochrome1 } from '../lut/choice';
import { isColour } from '../lut/pixels';
import { automaticWindow, type Voi, type WindowVoi } from '../lut/voi';
import {
  changePane,
  type Pane,
  PANES,
  type PaneId,
  stackOf,
  useViewer,
  type ViewerState,
  visiblePanes,
} from '../state/store';
import { setDrawn, useDrawn } from '../state/drawn';
import { cacheBytes, contextOf, engine } from './cornerstone';
import { Differences } from './differences';
import { createImage } from './frameLoader';
import { forgetFrames, registerFrames, unregisterFrames } from './metadata';
import { type Look, StackView } from './StackView';
import { forgetVolumes, volumeIfReady } from './volumes';

const LOADS_AT_ONCE = 6;
const LOADS_RESERVED = 2;
const LOAD_TIMEOUT_MS = 90_000;
const PLAN_DELAY_MS = 60;
/** Of the cache, what loading ahead may fill; the rest stays for jumps. */
const AHEAD_SHARE = 0.8;

const { Events } = Enums;

export interface Probe {
  column: number;
  row: number;
  /** The modality value, or red, green and blue. */
  values: number[];
}

export function valuesAt(image: Types.IImage, column: number, row: number): number[] | null {
  if (column < 0 || row < 0 || column >= image.columns || row >= image.rows) return null;
  const pixels = image.getPixelData();
  const components = image.color ? 3 : 1;
  const at = (row * image.columns + column) * components;
  return Array.from(pixels.slice(at, at + components));
}

/** Values that fit into 16 bits are kept so, others as fractions of 32. */
function estimatedBytes({ representative: { pixels } }: StackDisplaySet): number {
  if (!pixels) return 1;
  const perPixel = isColour(pixels) ? 3 : pixels.bitsStored < 16 && !pixels.isFloat ? 2 : 4;
  return pixels.rows * pixels.columns * perPixel;
}

class Session {
  readonly views = new Map<PaneId, StackView>();
  /** Told of each viewport that comes into being. */
  readonly attachListeners = new Set<(id: PaneId) => void>();
  readonly resizeListeners = new Set<() => void>();
  private readonly displaySetsOfImage = new Map<string, string>();
  private readonly known = new Set<string>();
  private readonly loadedNow = new Map<string, number>();
  private queue = this.createQueue();
  private readonly differences = new Differences(async (imageId) => {
    const image = cache.getImage(imageId) ?? (await this.queue.want(imageId));
    return image.getPixelData();
  });
  private stopFollowing: (() => void) | null = null;
  private planTimer: ReturnType<typeof setTimeout> | undefined;
  private playingSince = new Map<PaneId, number>();
  private animation = 0;
  private resizing = 0;
  private hasLostContext = false;
  private progressTimer: ReturnType<typeof setTimeout> | undefined;

  /** Starts the renderer, or says why it cannot. */
  prepare(): void {
    engine();
  }

  /** The image point under a point of the viewport, and its value or colour; null outside the image. */
  probe(id: PaneId, point: Point2): Probe | null {
    const view = this.views.get(id);
    const geometry = view?.geometry;
    const image = view?.image;
    if (!view || !geometry || !image) return null;
    const { presentation } = useViewer.getState().panes[id];
    const [column, row] = canvasToImage(geometry, presentation, view.size, point).map(Math.round) as [
      number,
      number,
    ];
    const values = valuesAt(image, column, row);
    return values && { column, row, values };
  }

  /** How the image on the screen of a viewport is shown. */
  lookShown(id: PaneId): Look | null {
    const frame = this.views.get(id)?.shownFrame;
    return frame ? this.lookOf(id, frame) : null;
  }

  attach(id: PaneId, element: HTMLDivElement): () => void {
    this.views.set(id, new StackView(id, element, this.handleRendered));
    this.start();
    for (const listener of this.attachListeners) listener(id);
    const observer = new ResizeObserver(() => this.resizeSoon());
    observer.observe(element);
    this.pursue(id);
    return () => {
      observer.disconnect();
      // Not the one made here: a lost context may have replaced it.
      this.views.get(id)?.destroy();
      this.views.delete(id);
      setDrawn(id, false);
      if (this.views.size === 0) this.stop();
    };
  }

  /** The VOI function that a pane's choice means for a frame. */
  voiOf(pane: Pane, frame: Frame): Voi {
    const ofDifferences = this.differences.voiOf(pane, frame);
    if (ofDifferences) return ofDifferences;
    return chosenVoi(pane.voi, frame, () => {
      const image = cache.getImage(frame.imageId);
      return automaticOf(pane.displaySetId ?? '', frame, image && !image.color ? image.getPixelData() : null);
    });
  }

  /** A window from the frame's own values. */
  automaticFor(id: PaneId): WindowVoi | null {
    const view = this.views.get(id);
    const frame = view?.shownFrame;
    const image = view?.image;
    if (!frame || !image || image.color) return null;
    const isOwn = image.imageId === frame.imageId;
    return automaticWindow(image.getPixelData(), isOwn ? paddingOf(frame) : null);
  }

  private createQueue(): LoadQueue<Types.IImage> {
    return new LoadQueue<Types.IImage>({
      concurrency: LOADS_AT_ONCE,
      reserved: LOADS_RESERVED,
      load: (imageId, signal) => this.load(imageId, signal),
      onProgress: (imageId, state) => {
        if (state === 'loaded') this.count(imageId, 1);
      },
    });
  }

  private async load(imageId: string, signal: AbortSignal): Promise<Types.IImage> {
    const cached = cache.getImage(imageId);
    if (cached) return cached;
    let image: Types.IImage;
    try {
      image = await withTimeout(createImage(imageId, signal), LOAD_TIMEOUT_MS);
    } catch (error) {
      throw asFailure(error);
    }
    // Not by way of Cornerstone's own loading: its cache rejects a promise nobody can catch when an image fails.
    if (!signal.aborted && !cache.isLoaded(imageId)) cache.putImageSync(imageId, image);
    return image;
  }

  private start(): void {
    if (this.stopFollowing) return;
    mark('engineReady');
    eventTarget.addEventListener(Events.IMAGE_CACHE_IMAGE_REMOVED, this.handleRemoved);
    eventTarget.addEventListener(Events.WEBGL_CONTEXT_LOST, this.handleContextLost);
    const stopFollowing = useViewer.subscribe((now, before) => this.follow(now, before));
    const stopUncovering = useRendering.subscribe(this.noteUncovered);
    document.addEventListener('visibilitychange', this.noteUncovered);
    this.stopFollowing = () => {
      stopFollowing();
      stopUncovering();
      document.removeEventListener('visibilitychange', this.noteUncovered);
    };
  }

  private stop(): void {
    this.stopFollowing?.();
    this.stopFollowing = null;
    cancelAnimationFrame(this.animation);
    this.animation = 0;
    clearTimeout(this.planTimer);
    clearTimeout(this.progressTimer);
    this.progressTimer = undefined;
    eventTarget.removeEventListener(Events.IMAGE_CACHE_IMAGE_REMOVED, this.handleRemoved);
    eventTarget.removeEventListener(Events.WEBGL_CONTEXT_LOST, this.handleContextLost);
    this.hasLostContext = false;
    this.queue.close();
    this.queue = this.createQueue();
    this.playingSince.clear();
    forgetAutomatic();
    this.known.clear();
    this.loadedNow.clear();
    this.displaySetsOfImage.clear();
    forgetVolumes();
    this.differences.forget();
    cache.purgeCache();
    forgetFrames();
  }

  private follow(now: ViewerState, before: ViewerState): void {
    for (const id of PANES) {
      const pane = now.panes[id];
      const was = before.panes[id];
      if (pane === was) continue;
      if (pane.attempt !== was.attempt && this.hasLostContext) {
        this.rebuild();
      } else if (
        pane.displaySetId !== was.displaySetId ||
        pane.index !== was.index ||
        pane.subtraction !== was.subtraction ||
        pane.attempt !== was.attempt
      ) {
        this.pursue(id);
      } else if (
        pane.presentation !== was.presentation ||
        pane.voi !== was.voi ||
        pane.isInverted !== was.isInverted
      ) {
        this.present(id);
      }
      if (pane.isPlaying !== was.isPlaying) this.animate();
    }
    if (now.active !== before.active || now.layout !== before.layout) this.planSoon();
  }

  private register(stack: StackDisplaySet): void {
    if (this.known.has(stack.id)) return;
    this.known.add(stack.id);
    registerFrames(stack.frames);
    for (const frame of stack.frames) this.displaySetsOfImage.set(frame.imageId, stack.id);
  }

  /** The viewports drawn in a context that the GPU took away say so; those of other contexts go on. */
  private readonly handleContextLost = (event: Event): void => {
    const { contextIndex } = (event as CustomEvent<{ contextIndex: number }>).detail;
    this.hasLostContext = true;
    for (const id of this.views.keys()) {
      if (contextOf(id) === contextIndex)
        changePane(id, {
          status: { kind: 'failed', failure: new Failure('graphicsLost') },
          isPlaying: false,
        });
    }
  };

  /** A new renderer in place of one that lost a context. */
  private rebuild(): void {
    this.hasLostContext = false;
    const elements = [...this.views].map(([id, { element }]) => ({ id, element }));
    for (const view of this.views.values()) view.destroy();
    engine().destroy();
    for (const { id, element } of elements)
      this.views.set(id, new StackView(id, element, this.handleRendered));
    for (const { id } of elements) this.pursue(id);
  }

  /** Brings the wanted frame of a pane to the screen. */
  private pursue(id: PaneId): void {
    const state = useViewer.getState();
    const stack = stackOf(state, id);
    const view = this.views.get(id);
    if (!view) return;
    if (!stack) {
      view.clear();
      return;
    }
    this.register(stack);
    const { index } = state.panes[id];
    const frame = stack.frames[index];
    if (!frame) return;
    this.planSoon();
    const { idOf } = this.differences.imagesOf(state.panes[id]);
    const imageId = idOf(frame);
    if (cache.isLoaded(imageId)) {
      this.show(id, stack, index);
      return;
    }
    if (state.panes[id].status.kind !== 'loading') changePane(id, { status: { kind: 'loading' } });
    const arriving = stack.derived
      ? this.derive(id, stack, index)
      : imageId === frame.imageId
        ? this.queue.want(imageId)
        : this.differences.make(imageId, frame);
    arriving.then(
      () => this.handleArrived(id, stack, index),
      (error: unknown) => this.handleFailed(id, stack, index, error),
    );
  }

  /** Makes a plane that is still wanted when its turn comes; those passed by in scrolling are not made. */
  private async derive(id: PaneId, stack: StackDisplaySet, index: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const pane = useViewer.getState().panes[id];
    if (pane.displaySetId === stack.id && pane.index === index) await this.makeReady(stack, index);
  }

  /** Makes a plane cut from a volume. Not by the queue, whose loads the volume itself waits for. */
  async makeReady(stack: StackDisplaySet, index: number): Promise<void> {
    const imageId = stack.frames[index]?.imageId;
    if (imageId === undefined) return;
    this.register(stack);
    if (cache.isLoaded(imageId)) return;
    const image = await createImage(imageId);
    if (this.known.has(stack.id) && !cache.isLoaded(imageId)) cache.putImageSync(imageId, image);
  }

  /** The values of a frame, loaded before whatever nobody waits for. */
  async pixelsOf(stack: StackDisplaySet, imageId: string): Promise<Types.PixelDataTypedArray> {
    this.register(stack);
    const image = cache.getImage(imageId) ?? (await this.queue.want(imageId));
    return image.getPixelData();
  }

  /** The values of a frame of whichever stack holds it. */
  async pixelsOfFrame(frame: Frame): Promise<Types.PixelDataTypedArray> {
    const image = cache.getImage(frame.imageId);
    if (image) return image.getPixelData();
    const stack = Object.values(useViewer.getState().displaySets).find(
      (set): set is StackDisplaySet => set.kind === 'stack' && set.frames.includes(frame),
    );
    if (!stack || stack.derived) throw new Failure('notFound');
    return this.pixelsOf(stack, frame.imageId);
  }

  /** A volume's value at a point of the patient; null outside, and before it is here. */
  valueOfVolume(displaySetId: string, world: Vector3): number | null {
    const volume = volumeIfReady(displaySetId);
    return volume && valueAt(volume, world);
  }

  /** Drops all that is kept of planes that are not shown any more. */
  forgetStack(stack: StackDisplaySet): void {
    if (!this.known.delete(stack.id)) return;
    for (const { imageId } of stack.frames) {
      this.displaySetsOfImage.delete(imageId);
      if (cache.isLoaded(imageId)) cache.removeImageLoadObject(imageId);
    }
    unregisterFrames(stack.frames);
    forgetAutomatic(stack.id);
  }

  private handleArrived(id: PaneId, stack: StackDisplaySet, index: number): void {
    const pane = useViewer.getState().panes[id];
    if (pane.displaySetId !== stack.id || !this.views.has(id)) return;
    // Late frames on the way to the wanted one are shown: scrolling fast over a slow line still moves.
    const from = pane.shown ?? index;
    const isOnTheWay = (index - from) * (pane.index - index) > 0;
    if (index === pane.index || isOnTheWay) this.show(id, stack, index);
  }

  private handleFailed(id: PaneId, stack: StackDisplaySet, index: number, error: unknown): void {
    const pane = useViewer.getState().panes[id];
    if (pane.displaySetId !== stack.id || pane.index !== index) return;
    changePane(id, { status: { kind: 'failed', failure: asFailure(error) }, isPlaying: false });
  }

  private show(id: PaneId, stack: StackDisplaySet, index: number): void {
    const view = this.views.get(id);
    const frame = stack.frames[index];
    const images = this.differences.imagesOf(useViewer.getState().panes[id]);
    // The mask may have changed meanwhile: then this frame was asked for anew.
    if (!view || !frame || !cache.isLoaded(images.idOf(frame))) return;
    const look = this.lookOf(id, frame);
    view
      .show(stack, index, look, images)
      .catch((error: unknown) => this.handleFailed(id, stack, index, error));
    const isWanted = useViewer.getState().panes[id].index === index;
    changePane(id, { shown: index, shownVoi: look.voi, ...(isWanted ? { status: { kind: 'ready' } } : {}) });
  }

  private lookOf(id: PaneId, frame: Frame): Look {
    const pane = useViewer.getState().panes[id];
    return {
      presentation: pane.presentation,
      voi: this.voiOf(pane, frame),
      isInverted: pane.isInverted !== isMonochrome1(frame),
    };
  }

  private present(id: PaneId): void {
    const view = this.views.get(id);
    if (!view?.shownFrame) return;
    const look = this.lookOf(id, view.shownFrame);
    view.present(look);
    if (useViewer.getState().panes[id].shownVoi !== look.voi) changePane(id, { shownVoi: look.voi });
  }

  /** One resize for all viewports that change with the layout: sixteen would each do it for all. */
  private resizeSoon(): void {
    this.resizing ||= requestAnimationFrame(() => {
      this.resizing = 0;
      if (this.views.size > 0) this.handleResize();
    });
  }

  private handleResize(): void {
    engine().resize(true, true);
    for (const listener of this.resizeListeners) listener();
    for (const id of this.views.keys()) this.present(id);
  }

  private readonly handleRendered = (view: StackView): void => {
    if (!view.shownFrame) return;
    mark('firstImage');
    forgetEarlyValues(view.shownFrame.imageId);
    setDrawn(view.id as PaneId, true);
    this.noteDrawn(view);
  };

  /** Cornerstone draws before the browser paints, so that what it has drawn is what is painted next. */
  private noteDrawn(view: StackView): void {
    const { kind } = useViewer.getState().panes[view.id as PaneId].status;
    const { width, height } = view.size;
    if (view.drawnFrame && kind !== 'failed' && width > 1 && height > 1)
      notePainted(view.id as PaneId, view.drawnFrame);
  }

  /** What stood behind something else, or in a window that was hidden, is seen now. */
  private readonly noteUncovered = (): void => {
    requestAnimationFrame(() => {
      for (const [id, view] of this.views) if (useDrawn.getState()[id]) this.noteDrawn(view);
    });
  };

  private readonly handleRemoved = (event: Event): void => {
    const { imageId } = (event as CustomEvent<{ imageId: string }>).detail;
    if (!this.queue.isLoaded(imageId)) return;
    this.queue.forget(imageId);
    this.count(imageId, -1);
  };

  private count(imageId: string, change: 1 | -1): void {
    const displaySetId = this.displaySetsOfImage.get(imageId);
    if (displaySetId === undefined) return;
    this.loadedNow.set(displaySetId, Math.max(0, (this.loadedNow.get(displaySetId) ?? 0) + change));
    this.progressTimer ??= setTimeout(() => {
      this.progressTimer = undefined;
      useViewer.setState(({ loaded }) => ({ loaded: { ...loaded, ...Object.fromEntries(this.loadedNow) } }));
    }, 100);
  }

  private planSoon(): void {
    clearTimeout(this.planTimer);
    this.planTimer = setTimeout(() => this.plan(), PLAN_DELAY_MS);
  }

  /** Orders loading ahead: the active viewport's stack first, outward from what it shows, within the cache. */
  private plan(): void {
    const state = useViewer.getState();
    const visible = visiblePanes(state);
    const order = [state.active, ...visible.filter((id) => id !== state.active)];
    const budget = (cacheBytes() * AHEAD_SHARE) / Math.max(1, visible.length);
    const lists = order.map((id) => {
      const stack = stackOf(state, id);
      // Planes cost no waiting but the processor, which the viewport in use needs.
      if (!stack || stack.derived) return [];
      const { index, shown } = state.panes[id];
      const onScreen = this.views.get(id)?.image;
      const frameBytes = onScreen?.sizeInBytes ?? estimatedBytes(stack);
      const direction = shown !== null && shown > index ? -1 : 1;
      return nearestFirst(index, stack.frames.length, direction)
        .slice(0, Math.max(1, Math.floor(budget / frameBytes)))
        .flatMap((each) => stack.frames[each]?.imageId ?? []);
    });
    this.queue.plan(interleaved(lists));
  }

  private animate(): void {
    if (this.animation !== 0) return;
    const step = (now: number): void => {
      const state = useViewer.getState();
      let isAnyPlaying = false;
      for (const id of PANES) {
        const pane = state.panes[id];
        if (!pane.isPlaying) {
          this.playingSince.delete(id);
          continue;
        }
        isAnyPlaying = true;
        this.play(id, pane, now);
      }
      this.animation = isAnyPlaying ? requestAnimationFrame(step) : 0;
    };
    this.animation = requestAnimationFrame(step);
  }

  private play(id: PaneId, pane: Pane, now: number): void {
    const stack = stackOf(useViewer.getState(), id);
    if (!stack || stack.frames.length < 2) {
      changePane(id, { isPlaying: false });
      return;
    }
    const since = this.playingSince.get(id);
    if (since === undefined) {
      this.playingSince.set(id, now);
      return;
    }
    const rate = pane.rate ?? rateFromData(stack) ?? RATE_WITHOUT_DATA;
    const { steps, remainderMs } = advance(now - since, rate);
    if (steps === 0) return;
    // A frame that is not here yet holds the film; a slow screen skips some to keep the rate.
    if (pane.shown !== pane.index) {
      this.playingSince.set(id, now);
      return;
    }
    const count = Math.min(steps, 4);
    this.playingSince.set(id, now - remainderMs);
    changePane(id, { index: (pane.index + count) % stack.frames.length });
  }
}

export const session = new Session();
