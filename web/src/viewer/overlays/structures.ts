/** RT Structure Sets (PS3.3 C.8.8.5, C.8.8.6): the contours of each region on the image that they were drawn on. */
import { type DicomJson, items, number, numbers, text } from '../data/dicomJson';
import { type Frame, normalOf } from '../data/frames';
import { dot, type Point2, type Vector3 } from '../data/vectors';
import { type Rgb, spareColour } from './colour';

export interface Region {
  number: number;
  name: string;
  colour: Rgb;
  contours: Contour[];
}

interface Contour {
  isClosed: boolean;
  points: Vector3[];
  sources: string[];
}

export interface Structures {
  sopInstanceUid: string;
  label: string;
  frameOfReferenceUid: string;
  regions: Region[];
}

function pointsOf(flat: number[]): Vector3[] {
  return Array.from({ length: Math.floor(flat.length / 3) }, (_, index): Vector3 => [
    flat[3 * index] ?? 0,
    flat[3 * index + 1] ?? 0,
    flat[3 * index + 2] ?? 0,
  ]);
}

export function readStructures(dataset: DicomJson): Structures {
  const names = new Map(
    items(dataset, '30060020').map((item) => [number(item, '30060022'), text(item, '30060026')]),
  );
  const [first] = items(dataset, '30060020');
  const regions = items(dataset, '30060039').map((item, index): Region => {
    const which = number(item, '30060084') ?? index + 1;
    const colour = numbers(item, '3006002A');
    return {
      number: which,
      name: names.get(which) ?? '',
      colour: colour?.length === 3 ? [colour[0] ?? 0, colour[1] ?? 0, colour[2] ?? 0] : spareColour(index),
      contours: items(item, '30060040').map((contour) => ({
        isClosed: text(contour, '30060042').startsWith('CLOSED'),
        points: pointsOf(numbers(contour, '30060050') ?? []),
        sources: items(contour, '30060016').map((source) => text(source, '00081155')),
      })),
    };
  });
  return {
    sopInstanceUid: text(dataset, '00080018'),
    label: text(dataset, '30060002'),
    frameOfReferenceUid: text(first, '30060024'),
    regions,
  };
}

export interface DrawnContour {
  isClosed: boolean;
  /** Pixels of the image, 0 being the centre of the first. */
  points: Point2[];
}

/** Without a reference to an image a contour belongs to the one whose slice it lies in. */
const HALF_SLICE_MM = 0.5;

export function contoursOn(structures: Structures, region: Region, image: Frame): DrawnContour[] {
  const { plane, instance } = image;
  const { rowDirection, columnDirection, position } = plane;
  const normal = normalOf(plane);
  if (!rowDirection || !columnDirection || !position || !normal) return [];
  const isSameSpace = text(instance.dataset, '00200052') === structures.frameOfReferenceUid;
  const half = Math.max(HALF_SLICE_MM, (image.sliceThickness ?? 0) / 2);
  const offset = (point: Vector3): Vector3 => [
    point[0] - position[0],
    point[1] - position[1],
    point[2] - position[2],
  ];
  return region.contours
    .filter(({ points, sources }) => {
      if (sources.length > 0) return sources.includes(instance.sopInstanceUid);
      return isSameSpace && points.every((point) => Math.abs(dot(offset(point), normal)) < half);
    })
    .map(({ points, isClosed }) => ({
      isClosed,
      points: points.map((point): Point2 => {
        const from = offset(point);
        return [dot(from, rowDirection) / plane.columnSpacing, dot(from, columnDirection) / plane.rowSpacing];
      }),
    }));
}
