import { create } from 'zustand';
import type { Connection } from './events';

interface Live {
  connection: Connection;
  /** Studies that appeared while the page was open, and when (milliseconds since 1970). */
  arrivedAt: Readonly<Record<string, number>>;
  setConnection: (connection: Connection) => void;
  noteArrivals: (studyInstanceUids: readonly string[]) => void;
}

/** How long a study that has just appeared is marked. */
export const FRESH_MS = 20_000;

export const useLive = create<Live>((set) => ({
  connection: 'connecting',
  arrivedAt: {},
  setConnection: (connection) => set({ connection }),
  noteArrivals: (uids) =>
    set((state) => {
      const now = Date.now();
      const kept = Object.entries(state.arrivedAt).filter(([, at]) => now - at < FRESH_MS);
      return { arrivedAt: Object.fromEntries([...kept, ...uids.map((uid) => [uid, now] as const)]) };
    }),
}));
