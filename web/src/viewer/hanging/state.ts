/** What of hanging protocols is on the screen. */
import { create } from 'zustand';
import type { HangingOwner, HangingProtocol } from '@/api/hanging';
import type { Match, SubjectWithPictures } from './matching';
import type { Rule } from './protocol';

/** A rule that is being changed: of a kept protocol, or a copy that is none yet. */
export interface Edited {
  id: number | null;
  owner: HangingOwner;
  /** Its name as it was when it was opened. */
  title: string;
  rule: Rule;
}

/** A protocol that was deleted, and where it stood: that can be undone. */
export interface Deleted {
  protocol: HangingProtocol;
  position: number;
}

const DELETED_MAX = 10;

interface HangingState {
  /** Protocols that are for the study, best first. */
  matches: readonly Match[];
  /** The one in use; null while the study is as it was opened, or as the reader arranged it. */
  current: number | null;
  /** The study and the priors that were looked at; null until they are known. */
  subject: SubjectWithPictures | null;
  dialog: 'remember' | 'list' | 'edit' | null;
  edited: Edited | null;
  /** The last first; they outlive the study. */
  deleted: readonly Deleted[];
}

const NONE: Omit<HangingState, 'deleted'> = {
  matches: [],
  current: null,
  subject: null,
  dialog: null,
  edited: null,
};

export const useHanging = create<HangingState>(() => ({ ...NONE, deleted: [] }));

export const noteDeleted = (one: Deleted): void =>
  useHanging.setState(({ deleted }) => ({ deleted: [one, ...deleted].slice(0, DELETED_MAX) }));

export const forgetDeleted = (sopInstanceUid: string): void =>
  useHanging.setState(({ deleted }) => ({
    deleted: deleted.filter(({ protocol }) => protocol.sopInstanceUid !== sopInstanceUid),
  }));

export const forgetHanging = (): void => useHanging.setState(NONE);
