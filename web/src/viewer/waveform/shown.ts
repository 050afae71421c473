/** What the viewports show of waveforms: for those who ask from outside, like tests and the picture as a file. */
import type { PaneId } from '../state/layout';
import type { Caliper } from './calipers';
import type { Scale, Sheet, Trace } from './sheet';

export interface Shown {
  sheet: Sheet;
  scale: Scale;
  traces: readonly Trace[];
  caliper: Caliper | null;
  /** Whether all samples of the sheet are drawn. */
  isWhole: boolean;
}

export const shownWaveforms = new Map<PaneId, Shown>();
