/** How far the reader is: what of a study was displayed, what is left, and what has come since it was opened. */
import type { DisplayedCount } from '@/api/displayed';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';

export interface Progress {
  images: number;
  left: number;
  /** Images that the viewer does not know of yet; they are among those left. */
  arrived: number;
}

export interface SeriesImages {
  seriesInstanceUid: string;
  /** Null while the series was not read. */
  frames: readonly Frame[] | null;
}

export type IsDisplayed = (frame: Frame) => boolean;

export function progressOf(
  series: readonly SeriesImages[],
  counts: DisplayedCount,
  isDisplayed: IsDisplayed,
): Progress {
  const progress: Progress = { images: 0, left: 0, arrived: 0 };
  const counted = new Map(counts.series.map((each) => [each.seriesInstanceUid, each]));
  for (const { seriesInstanceUid, frames } of series) {
    const told = counted.get(seriesInstanceUid) ?? { images: 0, displayed: 0 };
    counted.delete(seriesInstanceUid);
    const arrived = frames ? Math.max(0, told.images - frames.length) : 0;
    const left = frames
      ? frames.filter((frame) => !isDisplayed(frame)).length + arrived
      : told.images - told.displayed;
    progress.images += frames ? Math.max(frames.length, told.images) : told.images;
    progress.left += left;
    progress.arrived += arrived;
  }
  for (const { images, displayed } of counted.values()) {
    progress.images += images;
    progress.left += images - displayed;
    progress.arrived += images;
  }
  return progress;
}

export interface Place {
  id: string;
  index: number;
}

/**
 * The next image that was not displayed: further on in the stack at hand, then before in it, then in the stacks that
 * follow, and at last in those above.
 */
export function nextNotDisplayed(
  stacks: readonly StackDisplaySet[],
  at: Place | null,
  isDisplayed: IsDisplayed,
): Place | null {
  const current = Math.max(
    0,
    stacks.findIndex(({ id }) => id === at?.id),
  );
  for (const { id, frames } of [...stacks.slice(current), ...stacks.slice(0, current)]) {
    const start = id === at?.id ? at.index + 1 : 0;
    for (let step = 0; step < frames.length; step += 1) {
      const index = (start + step) % frames.length;
      const frame = frames[index];
      if (frame && !isDisplayed(frame)) return { id, index };
    }
  }
  return null;
}
