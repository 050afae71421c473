/** What of hanging protocols is on the screen. */
import { create } from 'zustand';
import type { Match, SubjectWithPictures } from './matching';

interface HangingState {
  /** Protocols that are for the study, best first. */
  matches: readonly Match[];
  /** The one in use; null while the study is as it was opened, or as the reader arranged it. */
  current: number | null;
  /** The study and the priors that were looked at; null until they are known. */
  subject: SubjectWithPictures | null;
  dialog: 'remember' | 'list' | null;
}

const NONE: HangingState = { matches: [], current: null, subject: null, dialog: null };

export const useHanging = create<HangingState>(() => NONE);

export const forgetHanging = (): void => useHanging.setState(NONE);
