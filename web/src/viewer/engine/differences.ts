/**
 * Images of differences, made of the frames that a mask takes, and shown in their place.
 *
 * Their ids are a scheme of their own before the id of the frame: so marks, whose images Cornerstone tells apart by what
 * stands after the first of several schemes, lie on both. A scheme is letters there, and nothing else.
 */
import { cache, type Types } from '@cornerstonejs/core';
import type { Frame } from '../data/frames';
import { type DicomJson, number } from '../data/dicomJson';
import {
  type ChosenMask,
  logSpaceOf,
  maskOfFrame,
  readSubtraction,
  subtract,
  type Subtraction,
  windowOfDifferences,
} from '../data/subtraction';
import { rescaleOf } from '../data/values';
import type { Voi } from '../lut/voi';
import { findState, presentedVoi } from '../overlays/registry';
import type { Pane } from '../state/store';
import { greyValues, imageOf } from './frameLoader';
import type { StackImages } from './StackView';

/** Masks remembered with the images made of them; the image cache has its own limit. */
const MASKS_MAX = 24;

const lettersOf = (count: number): string =>
  String(count).replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)));

const OWN: StackImages = { key: '', idOf: (frame) => frame.imageId };

const stateOf = ({ source }: ChosenMask): DicomJson | null =>
  source.kind === 'state' ? (findState(source.sopInstanceUid)?.dataset ?? null) : null;

/** What is subtracted from a frame; null where nothing is. */
export function subtractionOf(chosen: ChosenMask, frame: Frame): Subtraction | null {
  const { source } = chosen;
  if (source.kind === 'frame') return maskOfFrame(frame, source.frameNumber);
  const dataset = source.kind === 'image' ? frame.instance.dataset : stateOf(chosen);
  return dataset && readSubtraction(dataset, frame);
}

export class Differences {
  private readonly masks = new Map<string, { chosen: ChosenMask; images: StackImages }>();
  private readonly windows = new Map<string, Voi>();
  private count = 0;

  constructor(private readonly pixelsOf: (imageId: string) => Promise<Types.PixelDataTypedArray>) {}

  imagesOf({ subtraction }: Pane): StackImages {
    if (!subtraction) return OWN;
    const name = JSON.stringify(subtraction);
    const known = this.masks.get(name);
    if (known) return known.images;
    this.count += 1;
    const key = `subtracted${lettersOf(this.count)}:`;
    const idOf = (frame: Frame): string =>
      subtractionOf(subtraction, frame) ? `${key}${frame.imageId}` : frame.imageId;
    const images = { key, idOf };
    this.masks.set(name, { chosen: subtraction, images });
    for (const oldest of this.masks.keys()) {
      if (this.masks.size <= MASKS_MAX) break;
      this.masks.delete(oldest);
    }
    return images;
  }

  /** Makes the image of a frame, of frames that are loaded for it when they must. */
  async make(imageId: string, frame: Frame): Promise<void> {
    const made = [...this.masks.values()].find(({ images }) => imageId.startsWith(images.key));
    const subtraction = made && subtractionOf(made.chosen, frame);
    const format = frame.instance.pixels;
    if (!subtraction || !format) return;
    const started = performance.now();
    const numbers = [...new Set([...subtraction.contrast, ...subtraction.mask])];
    const { slope, intercept } = rescaleOf(frame);
    const stored = new Map(
      await Promise.all(
        numbers.map(async (each): Promise<[number, ArrayLike<number>]> => {
          const values = await this.pixelsOf(frame.imageId.replace(/\d+$/, String(each)));
          // A state brings its own modality transformation; that of the image does not count (PS3.4 N.2.1).
          const isOwn = slope === 1 && intercept === 0;
          return [each, isOwn ? values : Float64Array.from(values, (value) => (value - intercept) / slope)];
        }),
      ),
    );
    const state = stateOf(made.chosen);
    const differences = subtract(
      (each) => stored.get(each) ?? [],
      format,
      subtraction,
      logSpaceOf(frame, state),
      made.chosen.moved,
    );
    const stretch = number(state ?? undefined, '00281053') ?? 1;
    const shown = stretch === 1 ? differences : differences.map((value) => value * stretch);
    if (!cache.isLoaded(imageId))
      cache.putImageSync(imageId, imageOf(imageId, frame, greyValues(shown), performance.now() - started));
  }

  /** The window of a frame that is shown subtracted, unless the reader set one; null for all others. */
  voiOf(pane: Pane, frame: Frame): Voi | null {
    const imageId = this.imagesOf(pane).idOf(frame);
    if (imageId === frame.imageId || pane.voi.kind === 'set') return null;
    const stated = pane.voi.kind === 'state' ? presentedVoi(pane.voi.sopInstanceUid, frame, true) : null;
    if (stated) return stated;
    const stack = pane.displaySetId ?? '';
    const known = this.windows.get(stack);
    const image = cache.getImage(imageId);
    if (known || !image) return known ?? null;
    const found: Voi = {
      kind: 'window',
      shape: 'LINEAR_EXACT',
      ...windowOfDifferences(image.getPixelData()),
      explanation: '',
    };
    // One for the whole run: another for each frame would flicker.
    this.windows.set(stack, found);
    return found;
  }

  forget(): void {
    this.masks.clear();
    this.windows.clear();
  }
}
