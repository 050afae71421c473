/** The list that the reader came from, so that the viewer can go on to the next study of it. It outlives a reload. */
import { create } from 'zustand';
import { fetchPage, type StudiesFilter } from './studies';
import type { StudyRow } from './types';

const KEPT_MAX = 1_000;
const KEY = 'filmless.readingList';

interface ReadingList {
  studyInstanceUids: readonly string[];
  filter: StudiesFilter;
  /** Where the list goes on; null at its end. */
  nextCursor: string | null;
}

const NONE: ReadingList = { studyInstanceUids: [], filter: {}, nextCursor: null };

function readKept(): ReadingList {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Partial<ReadingList> | null;
    const uids = kept?.studyInstanceUids;
    if (!Array.isArray(uids) || !uids.every((uid) => typeof uid === 'string')) return NONE;
    return { studyInstanceUids: uids, filter: kept?.filter ?? {}, nextCursor: kept?.nextCursor ?? null };
  } catch {
    return NONE; // storage is switched off in this browser, or holds something else
  }
}

export const useReadingList = create<ReadingList>(readKept);

function keep(list: ReadingList): void {
  useReadingList.setState(list);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(list));
  } catch {
    // The list then lasts as long as the page.
  }
}

/** Called by the list on the screen with what it shows. */
export function setReadingList(
  rows: readonly StudyRow[],
  filter: StudiesFilter,
  nextCursor: string | null,
): void {
  const uids = rows.slice(0, KEPT_MAX).map((row) => row.studyInstanceUid);
  keep({ studyInstanceUids: uids, filter, nextCursor: rows.length > KEPT_MAX ? null : nextCursor });
}

export interface Neighbours {
  previous: string | null;
  next: string | null;
  /** Counted from 1; null when the study is not of the list. */
  place: number | null;
  count: number;
}

/** The studies before and after one in a list; none for a study that is not in it. */
export function neighboursIn(uids: readonly string[], studyInstanceUid: string): Neighbours {
  const at = uids.indexOf(studyInstanceUid);
  return {
    previous: at > 0 ? (uids[at - 1] ?? null) : null,
    next: at >= 0 ? (uids[at + 1] ?? null) : null,
    place: at >= 0 ? at + 1 : null,
    count: uids.length,
  };
}

/** Reads the next page of the list when the reader comes to the end of what was on the screen. */
export async function readOn(): Promise<void> {
  const { studyInstanceUids, filter, nextCursor } = useReadingList.getState();
  if (nextCursor === null || studyInstanceUids.length >= KEPT_MAX) return;
  const page = await fetchPage(filter, nextCursor);
  if (useReadingList.getState().nextCursor !== nextCursor) return;
  const known = new Set(studyInstanceUids);
  const more = page.items.map((row) => row.studyInstanceUid).filter((uid) => !known.has(uid));
  keep({ studyInstanceUids: [...studyInstanceUids, ...more], filter, nextCursor: page.nextCursor });
}
