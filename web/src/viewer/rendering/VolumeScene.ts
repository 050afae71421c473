/**
 * A volume on the GPU, seen from any side. It has a context of its own, which goes when it goes: Cornerstone's, which draw
 * the viewports, keep theirs. Distances are in mm of the patient; the picture is a parallel projection.
 */
import '@kitware/vtk.js/Rendering/Profiles/Volume';
import vtkDataArray from '@kitware/vtk.js/Common/Core/DataArray';
import vtkImageData from '@kitware/vtk.js/Common/DataModel/ImageData';
import vtkPiecewiseFunction from '@kitware/vtk.js/Common/DataModel/PiecewiseFunction';
import vtkColorTransferFunction from '@kitware/vtk.js/Rendering/Core/ColorTransferFunction';
import vtkRenderer from '@kitware/vtk.js/Rendering/Core/Renderer';
import vtkRenderWindow from '@kitware/vtk.js/Rendering/Core/RenderWindow';
import vtkRenderWindowInteractor from '@kitware/vtk.js/Rendering/Core/RenderWindowInteractor';
import vtkVolume from '@kitware/vtk.js/Rendering/Core/Volume';
import vtkVolumeMapper from '@kitware/vtk.js/Rendering/Core/VolumeMapper';
import { BlendMode } from '@kitware/vtk.js/Rendering/Core/VolumeMapper/Constants';
import vtkOpenGLRenderWindow from '@kitware/vtk.js/Rendering/OpenGL/RenderWindow';
import type { mat3 } from 'gl-matrix';
import { type Samples, type Volume, worldAt } from '../data/reslice';
import { add, normalized, scale, type Vector3 } from '../data/vectors';
import {
  LISTED,
  type ListedPreset,
  listedTransfer,
  petMip,
  PLAIN,
  type RenderingName,
  spanOf,
  strengthened,
  type Strength,
  type Transfer,
} from './presets';

/** The GPU holds a value of 16 bits as a float of 32. */
const GPU_BYTES = 4;
/** A picture that takes longer is made coarser while the hand moves. */
const SMOOTH_MS = 80;
const COARSEST = 8;
const FINE_AFTER_MS = 300;
const SAMPLES_MAX = 4000;

export const bytesNeeded = ({ grid, slices }: Volume): number =>
  grid.size[0] * grid.size[1] * grid.size[2] * ((slices[0]?.BYTES_PER_ELEMENT ?? 2) + GPU_BYTES);

export class TooWide extends Error {
  constructor(
    readonly side: number,
    readonly sideMax: number,
  ) {
    super('too wide');
    this.name = 'TooWide';
  }
}

export class NoWebGl2 extends Error {
  constructor() {
    super('no WebGL2');
    this.name = 'NoWebGl2';
  }
}

function joined(slices: readonly Samples[]): Samples {
  const [first] = slices;
  const size = slices.reduce((sum, slice) => sum + slice.length, 0);
  const all = new ((first ?? new Float32Array()).constructor as new (count: number) => Samples)(size);
  let at = 0;
  for (const slice of slices) {
    all.set(slice, at);
    at += slice.length;
  }
  return all;
}

const middleOf = ({ grid }: Volume): Vector3 =>
  worldAt(grid, [(grid.size[0] - 1) / 2, (grid.size[1] - 1) / 2, (grid.size[2] - 1) / 2]);

export class VolumeScene {
  readonly canvas: HTMLCanvasElement;
  readonly gl: WebGL2RenderingContext;
  private readonly window = vtkRenderWindow.newInstance();
  private readonly drawing = vtkOpenGLRenderWindow.newInstance();
  /** The mapper asks it whether the hand moves; it hears of no event itself. */
  private readonly interactor = vtkRenderWindowInteractor.newInstance();
  private readonly renderer = vtkRenderer.newInstance();
  private readonly mapper = vtkVolumeMapper.newInstance();
  private readonly actor = vtkVolume.newInstance();
  private readonly data = vtkImageData.newInstance();
  private readonly middle: Vector3;
  /** Half of the diagonal: the sphere in which the volume turns. */
  private readonly reach: number;
  private readonly step: number;
  private coarseness = 1;
  private finer: ReturnType<typeof setTimeout> | undefined;
  private name: RenderingName = 'ctBone';
  private plain: Transfer = petMip(1);
  private strength: Strength = PLAIN;

  constructor(
    private readonly container: HTMLElement,
    private readonly volume: Volume,
    /** What is drawn darkest by a MIP of PET. */
    private readonly upper: number,
    private readonly presets: readonly ListedPreset[],
  ) {
    const probe = document.createElement('canvas').getContext('webgl2');
    if (!probe) throw new NoWebGl2();
    const sideMax = Number(probe.getParameter(probe.MAX_3D_TEXTURE_SIZE));
    probe.getExtension('WEBGL_lose_context')?.loseContext();
    const { grid } = volume;
    const side = Math.max(...grid.size);
    if (side > sideMax) throw new TooWide(side, sideMax);

    this.middle = middleOf(volume);
    const extents = grid.size.map((count, axis) => count * (grid.spacing[axis] ?? 1));
    this.reach = Math.hypot(...extents) / 2;
    this.step = Math.min(...grid.spacing) / 2;
    this.data.setDimensions([...grid.size]);
    this.data.setSpacing([...grid.spacing]);
    this.data.setOrigin([...grid.origin]);
    this.data.setDirection(grid.axes.flat() as unknown as mat3);
    const scalars = vtkDataArray.newInstance({
      name: 'values',
      values: joined(volume.slices) as Float32Array,
    });
    this.data.getPointData().setScalars(scalars);
    this.mapper.setInputData(this.data);
    this.mapper.setAutoAdjustSampleDistances(false);
    this.mapper.setMaximumSamplesPerRay(SAMPLES_MAX);
    this.actor.setMapper(this.mapper);
    this.renderer.addVolume(this.actor);
    this.window.addRenderer(this.renderer);
    this.window.addView(this.drawing);
    this.interactor.setView(this.drawing);
    // Without this the window renders nothing; its events stay unbound.
    this.interactor.initialize();
    this.drawing.setContainer(container);
    this.canvas = this.drawing.getCanvas() as HTMLCanvasElement;
    this.resize();
    this.lookFromTheFront();
    const context = this.canvas.getContext('webgl2');
    if (!context) throw new NoWebGl2();
    this.gl = context;
  }

  get preset(): RenderingName {
    return this.name;
  }

  get size(): { width: number; height: number } {
    return { width: this.container.clientWidth, height: this.container.clientHeight };
  }

  get pixelsPerMm(): number {
    return this.size.height / (2 * this.renderer.getActiveCamera().getParallelScale());
  }

  /** To the right and up on the screen, and towards the viewer. */
  get directions(): { right: Vector3; up: Vector3; towards: Vector3 } {
    const camera = this.renderer.getActiveCamera();
    const towards = normalized(scale(camera.getDirectionOfProjection(), -1));
    const up = normalized(camera.getViewUp());
    const right: Vector3 = [
      up[1] * towards[2] - up[2] * towards[1],
      up[2] * towards[0] - up[0] * towards[2],
      up[0] * towards[1] - up[1] * towards[0],
    ];
    return { right, up, towards };
  }

  /** What the preset means now, after shift and strength. */
  get transfer(): Transfer {
    return strengthened(this.plain, this.strength);
  }

  /** What the GPU was given: read back from the drawing itself. */
  get applied(): { opacity: [number, number][]; isMip: boolean; isShaded: boolean } {
    const property = this.actor.getProperty();
    const nodes = property.getScalarOpacity(0);
    const opacity = Array.from({ length: nodes.getSize() }, (_, at): [number, number] => {
      const node = [0, 0, 0, 0];
      nodes.getNodeValue(at, node);
      return [node[0] ?? 0, node[1] ?? 0];
    });
    return {
      opacity,
      isMip: this.mapper.getBlendMode() === BlendMode.MAXIMUM_INTENSITY_BLEND,
      isShaded: property.getShade(),
    };
  }

  setPreset(name: RenderingName): void {
    this.name = name;
    this.strength = PLAIN;
    this.plain = this.transferOf(name);
    this.applyTransfer(true);
  }

  private transferOf(name: RenderingName): Transfer {
    if (name === 'petMip') return petMip(this.upper);
    const listed = this.presets.find((each) => each.name === LISTED[name]);
    if (!listed) throw new Error(`Cornerstone lists no preset ${LISTED[name]}.`);
    return listedTransfer(listed, this.volume.most, name === 'mr');
  }

  /** Shares of the preset's span by which values are shifted, and of the opacity by which it grows. */
  changeStrength(shift: number, growth: number): void {
    const factor = Math.min(8, Math.max(0.05, this.strength.factor * (1 + growth)));
    this.strength = { shift: this.strength.shift + shift * spanOf(this.plain), factor };
    this.applyTransfer(false);
  }

  private applyTransfer(isFine: boolean): void {
    const { opacity, colour, ...light } = this.transfer;
    const opacities = vtkPiecewiseFunction.newInstance();
    for (const [value, share] of opacity) opacities.addPoint(value, share);
    const colours = vtkColorTransferFunction.newInstance();
    for (const [value, red, green, blue] of colour) colours.addRGBPoint(value, red, green, blue);
    const property = this.actor.getProperty();
    property.setScalarOpacity(0, opacities);
    property.setRGBTransferFunction(0, colours);
    // Opacities hold for a step through the volume as long as a voxel.
    property.setScalarOpacityUnitDistance(0, 2 * this.step);
    property.setInterpolationTypeToLinear();
    property.setShade(light.isShaded);
    property.setAmbient(light.ambient);
    property.setDiffuse(light.diffuse);
    property.setSpecular(light.specular);
    property.setSpecularPower(light.specularPower);
    if (light.isMip) this.mapper.setBlendModeToMaximumIntensity();
    else this.mapper.setBlendModeToComposite();
    this.renderer.setBackground(light.isMip ? [1, 1, 1] : [0, 0, 0]);
    this.draw(isFine);
  }

  /** From the front, upright, as large as the whole of it fits however it is turned. */
  lookFromTheFront(): void {
    const camera = this.renderer.getActiveCamera();
    camera.setParallelProjection(true);
    camera.setFocalPoint(...this.middle);
    camera.setPosition(...add(this.middle, [0, -4 * this.reach, 0]));
    camera.setViewUp(0, 0, 1);
    const { width, height } = this.size;
    camera.setParallelScale(this.reach / Math.min(1, width / Math.max(1, height)));
    this.renderer.resetCameraClippingRange();
  }

  reset(): void {
    this.strength = PLAIN;
    this.lookFromTheFront();
    this.applyTransfer(true);
  }

  /** Turns the volume as a hand would: its near side goes to the right and down, by degrees. */
  rotate(right: number, down: number): void {
    const camera = this.renderer.getActiveCamera();
    camera.azimuth(-right);
    camera.elevation(down);
    camera.orthogonalizeViewUp();
    this.renderer.resetCameraClippingRange();
    this.draw(false);
  }

  zoom(factor: number): void {
    const camera = this.renderer.getActiveCamera();
    const wanted = camera.getParallelScale() / factor;
    camera.setParallelScale(Math.min(this.reach * 10, Math.max(this.reach / 40, wanted)));
    this.draw(false);
  }

  pan(dx: number, dy: number): void {
    const { right, up } = this.directions;
    const move = add(scale(right, -dx / this.pixelsPerMm), scale(up, dy / this.pixelsPerMm));
    const camera = this.renderer.getActiveCamera();
    camera.setFocalPoint(...add(camera.getFocalPoint(), move));
    camera.setPosition(...add(camera.getPosition(), move));
    this.renderer.resetCameraClippingRange();
    this.draw(false);
  }

  resize(): void {
    const { width, height } = this.size;
    // A pixel of the screen is enough: finer ones cost much and show little.
    this.drawing.setSize(Math.max(1, width), Math.max(1, height));
    this.draw(true);
  }

  /** Coarser while the hand moves on a slow machine, then fine. */
  private draw(isFine: boolean): void {
    clearTimeout(this.finer);
    this.mapper.setSampleDistance(this.step * (isFine ? 1 : this.coarseness));
    // The light stands where the viewer does.
    this.renderer.updateLightsGeometryToFollowCamera();
    const began = performance.now();
    this.window.render();
    const took = performance.now() - began;
    if (isFine) return;
    if (took > SMOOTH_MS) this.coarseness = Math.min(COARSEST, this.coarseness * 2);
    this.finer = setTimeout(() => this.draw(true), FINE_AFTER_MS);
  }

  /** Colours as they are on the screen now: red, green, blue, opacity, row by row from the top. */
  pixels(): ImageData | null {
    this.draw(true);
    const copy = document.createElement('canvas');
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    const context = copy.getContext('2d');
    context?.drawImage(this.canvas, 0, 0);
    return context?.getImageData(0, 0, copy.width, copy.height) ?? null;
  }

  /** Gives back all that the GPU holds. */
  destroy(): void {
    clearTimeout(this.finer);
    this.renderer.removeAllViewProps();
    this.actor.delete();
    this.mapper.delete();
    this.data.delete();
    this.window.removeView(this.drawing);
    this.interactor.delete();
    this.drawing.delete();
    this.renderer.delete();
    this.window.delete();
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
    this.canvas.remove();
  }
}
