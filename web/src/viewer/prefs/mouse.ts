/** What the mouse does, as a person chose it. Pure but for the last function. */
import { usePreferences } from '@/api/preferences';

export const DRAGS = ['window', 'scroll', 'pan', 'zoom'] as const;
export type DragChoice = (typeof DRAGS)[number];

export const WHEELS = ['scroll', 'zoom'] as const;

/** What the two buttons under the thumb can do. */
export const THUMBS = ['none', 'previousSeries', 'nextSeries', 'maximise', 'invert', 'reset'] as const;
export type ThumbChoice = (typeof THUMBS)[number];

export interface Mouse {
  /** The tool of the left button when a study is opened; the toolbar changes it. */
  left: DragChoice;
  middle: DragChoice;
  right: DragChoice;
  wheel: (typeof WHEELS)[number];
  isWheelReversed: boolean;
  back: ThumbChoice;
  forward: ThumbChoice;
}

export const DEFAULT_MOUSE: Mouse = {
  left: 'window',
  middle: 'pan',
  right: 'zoom',
  wheel: 'scroll',
  isWheelReversed: false,
  back: 'none',
  forward: 'none',
};

const oneOf = <T extends string>(choices: readonly T[], value: unknown, otherwise: T): T =>
  choices.find((choice) => choice === value) ?? otherwise;

/** What is kept, and the default for what is not or is no choice. */
export function readMouse(kept: unknown): Mouse {
  const given = (typeof kept === 'object' && kept !== null ? kept : {}) as Record<string, unknown>;
  return {
    left: oneOf(DRAGS, given.left, DEFAULT_MOUSE.left),
    middle: oneOf(DRAGS, given.middle, DEFAULT_MOUSE.middle),
    right: oneOf(DRAGS, given.right, DEFAULT_MOUSE.right),
    wheel: oneOf(WHEELS, given.wheel, DEFAULT_MOUSE.wheel),
    isWheelReversed: given.isWheelReversed === true,
    back: oneOf(THUMBS, given.back, DEFAULT_MOUSE.back),
    forward: oneOf(THUMBS, given.forward, DEFAULT_MOUSE.forward),
  };
}

export const mouse = (): Mouse => readMouse(usePreferences.getState().values.mouse);
