/** Display sets of planes cut from a volume: each is a stack like any other, whose frames are made when asked for. */
import type { DicomJson } from './dicomJson';
import type { StackDisplaySet } from './displaySets';
import type { Frame } from './frames';
import type { Slab } from './reslice';
import { cornersOf } from './reslice';
import { add, cross, dot, normalized, scale, type Vector3 } from './vectors';
import type { Grid } from './volume';

export const PLANES = ['axial', 'coronal', 'sagittal'] as const;
export type PlaneName = (typeof PLANES)[number];

/** What the ids of such stacks, and of their images, begin with. */
export const PLANES_PREFIX = 'planes:';

/** Directions of a plane on the screen, to the right and down, at right angles. */
export interface Basis {
  right: Vector3;
  down: Vector3;
}
export type Bases = Record<PlaneName, Basis>;

/** As radiologists look at them: from the feet, from the front, from the left. */
export const ORTHOGONAL: Bases = {
  axial: { right: [1, 0, 0], down: [0, 1, 0] },
  coronal: { right: [1, 0, 0], down: [0, 0, -1] },
  sagittal: { right: [0, 1, 0], down: [0, 0, -1] },
};

export const normalOfBasis = ({ right, down }: Basis): Vector3 => normalized(cross(right, down));

/** A direction of the patient as the nearest axis of the volume, so that its voxels are met and not missed by a little. */
function alongAxis(grid: Grid, direction: Vector3): Vector3 {
  let best: Vector3 = direction;
  let most = 0;
  for (const axis of grid.axes) {
    const along = dot(axis, direction);
    if (Math.abs(along) > most) {
      most = Math.abs(along);
      best = scale(axis, Math.sign(along));
    }
  }
  return best;
}

/** The orthogonal planes of a volume, along its own axes where these lean to those of the patient. */
export function basesOf(grid: Grid): Bases {
  const along = ({ right, down }: Basis): Basis => ({
    right: alongAxis(grid, right),
    down: alongAxis(grid, down),
  });
  return {
    axial: along(ORTHOGONAL.axial),
    coronal: along(ORTHOGONAL.coronal),
    sagittal: along(ORTHOGONAL.sagittal),
  };
}

/** Whether planes lie as they did before anybody turned them. */
export const isStraight = ({ right, down }: Basis, straight: Basis): boolean =>
  dot(right, straight.right) > 0.9999 && dot(down, straight.down) > 0.9999;

/** Turns a direction about an axis, by the right hand. */
export function turned(direction: Vector3, axis: Vector3, radians: number): Vector3 {
  const cosine = Math.cos(radians);
  return normalized(
    add(
      add(scale(direction, cosine), scale(cross(axis, direction), Math.sin(radians))),
      scale(axis, dot(axis, direction) * (1 - cosine)),
    ),
  );
}

const turnedBasis = (basis: Basis, axis: Vector3, radians: number): Basis => ({
  right: turned(basis.right, axis, radians),
  down: turned(basis.down, axis, radians),
});

/** The planes after the other two were turned about the normal of `still`. */
export function rotatedAbout(bases: Bases, still: PlaneName, radians: number): Bases {
  const axis = normalOfBasis(bases[still]);
  return Object.fromEntries(
    PLANES.map((name) => [name, name === still ? bases[name] : turnedBasis(bases[name], axis, radians)]),
  ) as Bases;
}

/** At most this many pixels along a side, and this many planes: what the finest voxels would ask for is coarsened. */
const SIDE_MAX = 1024;
const PLANES_MAX = 2048;

/** Distance between voxels along a direction. */
function spacingAlong(grid: Grid, direction: Vector3): number {
  const exact = grid.axes.findIndex((axis) => Math.abs(dot(axis, direction)) > 0.9999);
  return exact < 0 ? Math.min(...grid.spacing) : (grid.spacing[exact] ?? 1);
}

interface Extent {
  from: number;
  count: number;
  step: number;
}

/** Places of pixel centres along a direction: over the whole volume, on its voxels where the direction is an axis. */
function extentOf(grid: Grid, direction: Vector3, step: number, countMax: number): Extent {
  const along = cornersOf(grid).map((corner) => dot(corner, direction));
  const least = Math.min(...along);
  const most = Math.max(...along);
  const isAxis = grid.axes.some((axis) => Math.abs(dot(axis, direction)) > 0.9999);
  const own = isAxis ? spacingAlong(grid, direction) : step;
  // The first voxel's centre lies half a voxel within the edge.
  const length = most - least - own;
  const used = Math.max(step, length / (countMax - 1));
  const count = Math.max(1, Math.floor(length / used + 1e-6) + 1);
  return { from: least + own / 2, count, step: used };
}

/** How a stack of planes came to be. */
export interface Derivation {
  sourceId: string;
  plane: PlaneName;
  basis: Basis;
  slab: Slab;
  /** From one plane to the next; 0 is a voxel. */
  intervalMm: number;
}

export interface PlaneStack extends StackDisplaySet {
  derived: Derivation;
}

export const isDerived = (stack: StackDisplaySet): stack is PlaneStack => stack.derived !== undefined;

/** Attributes that are of one image, and wrong for one cut from many. */
const OF_ONE_IMAGE = new Set([
  '00080018',
  '00200013',
  '00200032',
  '00200037',
  '00201041',
  '00280030',
  '00280008',
  '00283000',
  '52009229',
  '52009230',
]);

/** All parallel planes through a volume, a voxel apart, as a stack. */
export function planeStack(
  source: StackDisplaySet,
  grid: Grid,
  derivation: Omit<Derivation, 'sourceId'>,
  revision: number,
): PlaneStack {
  const { basis, plane, slab, intervalMm } = derivation;
  const normal = normalOfBasis(basis);
  const inPlane = Math.min(spacingAlong(grid, basis.right), spacingAlong(grid, basis.down));
  const across = extentOf(grid, basis.right, inPlane, SIDE_MAX);
  const downward = extentOf(grid, basis.down, inPlane, SIDE_MAX);
  const through = extentOf(grid, normal, intervalMm || spacingAlong(grid, normal), PLANES_MAX);
  const first = source.frames[0]?.instance ?? source.representative;
  const dataset: DicomJson = Object.fromEntries(
    Object.entries(first.dataset).filter(([tag]) => !OF_ONE_IMAGE.has(tag)),
  );
  // The window of a frame within functional groups, where there is one.
  for (const group of source.frames[0]?.groups ?? []) {
    for (const tag of ['00281050', '00281051', '00281056', '00200052']) dataset[tag] ??= group[tag];
  }
  const id = `${PLANES_PREFIX}${source.id}:${plane}:${revision}`;
  const instance = {
    ...first,
    sopInstanceUid: '',
    instanceNumber: null,
    numberOfFrames: 1,
    dataset,
    pixels: first.pixels && { ...first.pixels, rows: downward.count, columns: across.count },
  };
  const corner = add(scale(basis.right, across.from), scale(basis.down, downward.from));
  const frames = Array.from({ length: through.count }, (_, index): Frame => {
    const at = through.from + index * through.step;
    return {
      instance,
      frameNumber: index + 1,
      imageId: `${id}:${index}`,
      plane: {
        position: add(corner, scale(normal, at)),
        rowDirection: basis.right,
        columnDirection: basis.down,
        rowSpacing: downward.step,
        columnSpacing: across.step,
        spacingSource: 'patient',
      },
      groups: [dataset],
      sliceLocation: at,
      sliceThickness: slab.thicknessMm > 0 ? slab.thicknessMm : null,
    };
  });
  return {
    ...source,
    id,
    kind: 'stack',
    frames,
    isMultiFrame: false,
    ordering: 'position',
    representative: instance,
    derived: { ...derivation, sourceId: source.id },
  };
}
