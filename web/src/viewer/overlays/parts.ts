/** What lies over a frame, in the order in which it is drawn, and how its pictures are made. */
import { fetchBulk } from '../data/dicomweb';
import type { Frame } from '../data/frames';
import type { ObjectsState } from '../state/objects';
import { partKey } from '../state/objects';
import { type Bitmaps, bitmapOf, makeBitmaps } from './bitmaps';
import type { Rgb } from './colour';
import { embeddedBits, type OverlayPlane, planeBits, planeFrame, readPlanes } from './planes';
import { isFor, type PresentationStateObject, shutterOfState } from './presentationState';
import { framesOn, opacitiesOf, type SegmentFrame, segmentToImage, type Segmentation } from './segmentation';
import { coveredPixels, readShutter, type Shutter } from './shutter';
import { contoursOn, type DrawnContour, type Structures } from './structures';

type Affine = readonly [number, number, number, number, number, number];

export interface BitmapPart {
  kind: 'segments' | 'shutter' | 'plane';
  key: string;
  make: () => Promise<Bitmaps>;
  /** From the picture's pixels to the image's. */
  affine: Affine;
  opacity: number;
  isShown: (part: number) => boolean;
}

export interface ContourPart {
  kind: 'contours';
  key: string;
  colour: Rgb;
  contours: DrawnContour[];
}

export type Part = BitmapPart | ContourPart;

const AT_ONCE: Affine = [1, 0, 0, 1, 0, 0];
const PLANE_COLOUR: Rgb = [255, 255, 255];
const REGION_COLOUR: Rgb = [255, 214, 102];

async function storedOf(frame: Frame): Promise<ArrayLike<number>> {
  const { storedSamples } = await import('../engine/samples');
  return storedSamples(frame);
}

function segmentPart(
  segmentation: Segmentation,
  segment: SegmentFrame,
  image: Frame,
  state: ObjectsState,
): Part {
  const { frame, segmentNumber } = segment;
  const pixels = frame.instance.pixels;
  return {
    kind: 'segments',
    key: frame.imageId,
    affine: segmentToImage(frame, image),
    opacity: state.opacity,
    isShown: (part) => !state.hidden.includes(partKey(segmentation.sopInstanceUid, part)),
    make: async () => {
      const samples = await storedOf(frame);
      const colours = new Map(segmentation.segments.map((each) => [each.number, each.colour]));
      return new Map(
        opacitiesOf(segmentation, segmentNumber, samples)
          .filter((each) => each.segmentNumber > 0 && colours.has(each.segmentNumber))
          .map((each) => [
            each.segmentNumber,
            bitmapOf(
              each.alpha,
              pixels?.columns ?? 0,
              pixels?.rows ?? 0,
              colours.get(each.segmentNumber) ?? PLANE_COLOUR,
            ),
          ]),
      );
    },
  };
}

async function bitsOf(plane: OverlayPlane, index: number, frame: Frame): Promise<Uint8Array> {
  if (plane.embeddedBit !== null) return embeddedBits(await storedOf(frame), plane.embeddedBit);
  if (!plane.bytes && plane.bulkDataUri) plane.bytes = (await fetchBulk(plane.bulkDataUri)).bytes;
  return planeBits(plane.bytes ?? new Uint8Array(), plane, index);
}

function planePart(plane: OverlayPlane, source: string, frame: Frame, index: number): Part {
  return {
    kind: 'plane',
    key: `${source} ${plane.group} ${plane.embeddedBit === null ? index : frame.frameNumber}`,
    affine: [1, 0, 0, 1, plane.originColumn - 1, plane.originRow - 1],
    opacity: 1,
    isShown: () => true,
    make: async () => {
      const bits = await bitsOf(plane, index, frame);
      return new Map([
        [
          plane.group,
          bitmapOf(bits, plane.columns, plane.rows, plane.isRegion ? REGION_COLOUR : PLANE_COLOUR, 1),
        ],
      ]);
    },
  };
}

function shutterPart(shutter: Shutter, source: string, frame: Frame, planes: OverlayPlane[]): Part {
  const columns = frame.instance.pixels?.columns ?? 0;
  const rows = frame.instance.pixels?.rows ?? 0;
  return {
    kind: 'shutter',
    key: `${source} shutter ${columns} ${rows}`,
    affine: AT_ONCE,
    opacity: 1,
    isShown: () => true,
    make: async () => {
      const covered = coveredPixels(shutter, columns, rows);
      const plane = planes.find(({ group }) => group === shutter.overlayGroup);
      if (plane) {
        const bits = await bitsOf(plane, planeFrame(plane, frame.frameNumber) ?? 0, frame);
        for (let row = 0; row < plane.rows; row += 1) {
          const to = row + plane.originRow - 1;
          if (to < 0 || to >= rows) continue;
          for (let column = 0; column < plane.columns; column += 1) {
            const at = column + plane.originColumn - 1;
            if (at >= 0 && at < columns && bits[row * plane.columns + column]) covered[to * columns + at] = 1;
          }
        }
      }
      return new Map([[0, bitmapOf(covered, columns, rows, shutter.colour, 1)]]);
    },
  };
}

const planesKnown = new WeakMap<object, OverlayPlane[]>();
const shuttersKnown = new WeakMap<object, Shutter | null>();

function planesOf(dataset: Parameters<typeof readPlanes>[0]): OverlayPlane[] {
  const found = planesKnown.get(dataset) ?? readPlanes(dataset);
  planesKnown.set(dataset, found);
  return found;
}

function shutterOf(dataset: Parameters<typeof readShutter>[0]): Shutter | null {
  const found = shuttersKnown.has(dataset) ? (shuttersKnown.get(dataset) ?? null) : readShutter(dataset);
  shuttersKnown.set(dataset, found);
  return found;
}

export interface Shown {
  segmentations: Segmentation[];
  structures: Structures[];
  state: PresentationStateObject | null;
}

/** Everything over a frame but the graphics of a state. A state's shutter takes the place of the image's (C.11.12). */
export function partsOn(frame: Frame, shown: Shown, objects: ObjectsState): Part[] {
  const { sopInstanceUid, dataset } = frame.instance;
  const parts: Part[] = [];
  for (const segmentation of shown.segmentations) {
    for (const segment of framesOn(segmentation, frame))
      parts.push(segmentPart(segmentation, segment, frame, objects));
  }
  for (const structures of shown.structures) {
    for (const region of structures.regions) {
      if (objects.hidden.includes(partKey(structures.sopInstanceUid, region.number))) continue;
      const contours = contoursOn(structures, region, frame);
      if (contours.length > 0)
        parts.push({ kind: 'contours', key: `${region.number}`, colour: region.colour, contours });
    }
  }
  const state = shown.state && isFor(shown.state, frame) ? shown.state : null;
  const own = planesOf(dataset);
  const ofState = state ? planesOf(state.dataset) : [];
  const ofStateAlone = state && shutterOfState(state, frame);
  const shutter = ofStateAlone ?? shutterOf(dataset);
  const bitmapGroup = shutter?.overlayGroup ?? null;
  if (objects.hasShutters && shutter) {
    const [source, planes] = ofStateAlone
      ? [`${state.sopInstanceUid} ${frame.frameNumber}`, ofState]
      : [sopInstanceUid, own];
    parts.push(shutterPart(shutter, source, frame, planes));
  }
  if (objects.hasPlanes) {
    for (const [source, planes] of [
      [sopInstanceUid, own],
      [state?.sopInstanceUid ?? '', ofState],
    ] as const) {
      for (const plane of planes) {
        const index = planeFrame(plane, frame.frameNumber);
        if (index !== null && plane.group !== bitmapGroup) parts.push(planePart(plane, source, frame, index));
      }
    }
  }
  return parts;
}

export const load = (part: Part): Promise<unknown> =>
  part.kind === 'contours' ? Promise.resolve() : makeBitmaps(part.key, part.make);
