/** One stack viewport. It shows what it is told: a frame of a display set, a presentation, a VOI function. */
import { cache, Enums, type Types } from '@cornerstonejs/core';
import vtkColorTransferFunction from '@kitware/vtk.js/Rendering/Core/ColorTransferFunction';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { cameraOf, type Geometry, type Presentation, type Size } from '../data/orientation';
import { asWindow, COLOUR_VOI, nodesOf, rangeOf, type Voi } from '../lut/voi';
import { engine } from './cornerstone';
import { geometryOf } from './geometry';

export interface Look {
  presentation: Presentation;
  voi: Voi;
  isInverted: boolean;
}

/** Which images show the frames of a stack: their own, or those made of them. */
export interface StackImages {
  key: string;
  idOf: (frame: Frame) => string;
}

const { ViewportType, Events, InterpolationType } = Enums;

interface SliceActor {
  getProperty: () => {
    setRGBTransferFunction: (index: number, transferFunction: unknown) => void;
    setUseLookupTableScalarRange: (use: boolean) => void;
    setInterpolationType: (type: number) => void;
  };
}

export class StackView {
  private stackId: string | null = null;
  private frame: Frame | null = null;
  private shownId = '';
  private shownImage: Types.IImage | undefined;
  private look: Look | null = null;
  private appliedVoi = '';
  private isPlaced = false;
  private isPainted = false;

  constructor(
    readonly id: string,
    readonly element: HTMLDivElement,
    private readonly onRendered: (view: StackView) => void,
  ) {
    engine().enableElement({
      viewportId: id,
      type: ViewportType.STACK,
      element,
      defaultOptions: { background: [0, 0, 0] },
    });
    element.addEventListener(Events.STACK_NEW_IMAGE, this.handleNewImage);
    element.addEventListener(Events.IMAGE_RENDERED, this.handleRendered);
  }

  get viewport(): Types.IStackViewport {
    return engine().getViewport<Types.IStackViewport>(this.id);
  }

  get shownFrame(): Frame | null {
    return this.frame;
  }

  /** The image on the screen; held here, since the cache may drop it while it is shown. */
  get image(): Types.IImage | undefined {
    return this.shownImage;
  }

  /** The frame whose pixels the canvas holds; null while those of another are still on it. */
  get drawnFrame(): Frame | null {
    const drawn = this.viewport.getCornerstoneImage() as Types.IImage | undefined;
    return this.frame && drawn?.imageId === this.frame.imageId ? this.frame : null;
  }

  get size(): Size {
    return { width: this.element.clientWidth, height: this.element.clientHeight };
  }

  get geometry(): Geometry | null {
    return this.frame && geometryOf(this.frame);
  }

  /** Whether what was told last is on the screen. */
  get isDrawn(): boolean {
    const { width, height } = this.viewport.getCanvas();
    const ratio = window.devicePixelRatio || 1;
    const isOf = (pixels: number, size: number): boolean => Math.abs(pixels - size * ratio) < 2;
    return this.isPainted && isOf(width, this.size.width) && isOf(height, this.size.height);
  }

  /** Shows a frame that is in the cache already, with the look it should have from its first paint on. */
  async show(stack: StackDisplaySet, index: number, look: Look, images: StackImages): Promise<void> {
    const frame = stack.frames[index];
    if (!frame) return;
    const stackId = `${images.key}${stack.id}`;
    this.frame = frame;
    this.shownId = images.idOf(frame);
    this.shownImage = cache.getImage(this.shownId);
    this.look = look;
    this.appliedVoi = '';
    this.isPlaced = false;
    this.isPainted = false;
    if (this.stackId === stackId && this.viewport.getCurrentImageIdIndex() === index) {
      this.isPlaced = true;
      this.apply();
    } else if (this.stackId === stackId) {
      await this.viewport.setImageIdIndex(index);
    } else {
      this.stackId = stackId;
      await this.viewport.setStack(stack.frames.map(images.idOf), index);
    }
  }

  present(look: Look): void {
    this.look = look;
    if (this.frame) this.apply();
  }

  /** Clears the picture: a tile with words takes its place. */
  clear(): void {
    this.stackId = null;
    this.frame = null;
    this.shownImage = undefined;
    this.look = null;
  }

  destroy(): void {
    this.element.removeEventListener(Events.STACK_NEW_IMAGE, this.handleNewImage);
    this.element.removeEventListener(Events.IMAGE_RENDERED, this.handleRendered);
    engine().disableElement(this.id);
  }

  private readonly handleNewImage = (event: Event): void => {
    // That of a frame passed by may still come when another is wanted already.
    const { imageId } = (event as CustomEvent<{ imageId: string }>).detail;
    this.isPlaced = imageId === this.shownId;
    // Cornerstone has just put back its own camera and linear window; ours follow before anything is painted.
    this.appliedVoi = '';
    this.apply();
  };

  private readonly handleRendered = (): void => {
    this.isPainted = this.isPlaced;
    this.onRendered(this);
  };

  private apply(): void {
    const geometry = this.geometry;
    const { viewport, look, size } = this;
    this.isPainted = false;
    if (!geometry || !look || size.width < 2 || size.height < 2) return;
    const entry = viewport.getDefaultActor() as { actor?: unknown } | undefined;
    const actor = entry?.actor as SliceActor | undefined;
    if (!actor) return;
    const camera = cameraOf(geometry, look.presentation, size);
    viewport.setCamera({
      focalPoint: [...camera.focalPoint],
      position: [...camera.position],
      viewUp: [...camera.viewUp],
      viewPlaneNormal: [...camera.viewPlaneNormal],
      parallelScale: camera.parallelScale,
      // Cornerstone keeps the range of its own camera, which stands elsewhere, unless the plane changes: all is black.
      clippingRange: [...camera.clippingRange],
    });
    this.applyVoi(actor, look);
    viewport.render();
  }

  private applyVoi(actor: SliceActor, { voi, isInverted }: Look): void {
    const isColour = this.image?.color === true;
    const key = `${this.image?.imageId ?? ''} ${JSON.stringify(voi)} ${isInverted}`;
    // Colour has no transfer function to turn round, only a range; the canvas is inverted instead.
    this.viewport.getCanvas().style.filter = isColour && isInverted ? 'invert(1)' : '';
    if (key === this.appliedVoi) return;
    this.appliedVoi = key;
    const shown = isColour && voi.kind === 'table' ? COLOUR_VOI : voi;
    const transferFunction = vtkColorTransferFunction.newInstance();
    const nodes = nodesOf(isColour ? asWindow(shown) : shown, isInverted && !isColour);
    transferFunction.setNodes(
      nodes.map(({ value, brightness }) => ({
        x: value,
        r: brightness,
        g: brightness,
        b: brightness,
        midpoint: 0.5,
        sharpness: 0,
      })),
    );
    const { lower, upper } = rangeOf(shown);
    transferFunction.setMappingRange(lower, upper);
    const property = actor.getProperty();
    property.setInterpolationType(InterpolationType.LINEAR);
    property.setUseLookupTableScalarRange(true);
    property.setRGBTransferFunction(0, transferFunction);
  }
}
