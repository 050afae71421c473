/** Overlay planes 60xx (PS3.3 C.9.2, C.9.3): one bit a pixel, in a data set or (retired) in unused bits of the pixels. */
import { type DicomJson, inlineBytes, number, numbers, text } from '../data/dicomJson';

export interface OverlayPlane {
  /** 0x6000, 0x6002 ... 0x601E. */
  group: number;
  columns: number;
  rows: number;
  /** Row and column of its first pixel in the image, from 1. */
  originRow: number;
  originColumn: number;
  /** Graphics are drawn; a region of interest is too, in another colour. */
  isRegion: boolean;
  label: string;
  numberOfFrames: number;
  /** The image's frame, from 1, that its first frame belongs to. */
  firstFrame: number;
  /** Bit of the pixel data that holds it; null when it has data of its own. */
  embeddedBit: number | null;
  bulkDataUri: string | null;
  bytes: Uint8Array | null;
}

const GROUPS = Array.from({ length: 16 }, (_, index) => 0x60_00 + 2 * index);
const hex = (group: number): string => group.toString(16).toUpperCase();

export function readPlanes(dataset: DicomJson): OverlayPlane[] {
  return GROUPS.flatMap((group): OverlayPlane[] => {
    const at = (element: string): string => `${hex(group)}${element}`;
    const rows = number(dataset, at('0010'));
    const columns = number(dataset, at('0011'));
    if (!rows || !columns) return [];
    const data = dataset[at('3000')];
    const position = number(dataset, at('0102'));
    if (!data && (position === null || number(dataset, at('0100')) === 1)) return [];
    const origin = numbers(dataset, at('0050')) ?? [1, 1];
    return [
      {
        group,
        rows,
        columns,
        originRow: origin[0] ?? 1,
        originColumn: origin[1] ?? 1,
        isRegion: text(dataset, at('0040')) === 'R',
        label: text(dataset, at('1500')) || text(dataset, at('0022')),
        numberOfFrames: number(dataset, at('0015')) ?? 1,
        firstFrame: number(dataset, at('0051')) ?? 1,
        embeddedBit: data ? null : position,
        bulkDataUri: data?.BulkDataURI ?? null,
        bytes: inlineBytes(dataset, at('3000')),
      },
    ];
  });
}

/** The plane's own frame, from 0, for a frame of the image, from 1; null when it has none for it. */
export function planeFrame(plane: OverlayPlane, frameNumber: number): number | null {
  // A plane of one frame in an image of several is for all of them: it is not multi-frame.
  if (plane.numberOfFrames === 1) return 0;
  const index = frameNumber - plane.firstFrame;
  return index >= 0 && index < plane.numberOfFrames ? index : null;
}

/** One byte a pixel, from packed bits. */
export function planeBits(bytes: Uint8Array, plane: OverlayPlane, frameIndex: number): Uint8Array {
  const count = plane.rows * plane.columns;
  const start = frameIndex * count;
  const bits = new Uint8Array(count);
  for (let index = 0; index < count; index += 1) {
    const at = start + index;
    bits[index] = ((bytes[at >> 3] ?? 0) >> (at & 7)) & 1;
  }
  return bits;
}

export function embeddedBits(samples: ArrayLike<number>, bit: number): Uint8Array {
  return Uint8Array.from(samples, (sample) => (sample >> bit) & 1);
}
