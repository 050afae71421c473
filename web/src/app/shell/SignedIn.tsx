import { useQueryClient } from '@tanstack/react-query';
import { Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';
import { listenToEvents } from '@/api/events';
import { forgetDisplayed } from '@/api/displayed';
import { ApiError } from '@/api/errors';
import { useLive } from '@/api/live';
import { forgetPreferences, loadPreferences, usePreferences } from '@/api/preferences';
import { sessionQuery } from '@/api/session';
import { isShown, refreshStudies } from '@/api/studies';
import { stopUploads } from '@/features/upload/UploadCenter';
import { Unreachable } from '@/lib/errors';
import { setOwnKeys } from '@/lib/hotkeys';
import { CheatSheet } from './CheatSheet';
import { readOwnKeys } from './ownKeys';
import { Palette } from './Palette';
import { useGlobalHotkeys } from './useGlobalHotkeys';

/** Events of one burst are answered together. */
const GATHER_MS = 700;

/** A study that no list shows, perhaps because the search leaves it out, makes them be read again this often at most. */
const UNSHOWN_MS = 10_000;

/** What else is read again when something happens: queries by the first word of their key. Only shown ones are read. */
const READ_AGAIN: Readonly<Record<string, readonly string[]>> = {
  study_deleted: ['studies', 'study', 'deletions'],
  job: ['jobs'],
  peer: ['peers'],
  peer_unknown: ['peers'],
  webhook: ['webhooks'],
  conflict: ['conflicts', 'storage'],
  conflict_resolved: ['conflicts', 'storage'],
};

/** Everything behind the sign-in hears what happens in the archive, and knows the global keys. */
export function SignedIn() {
  useLiveUpdates();
  useOwnPreferences();
  useGlobalHotkeys();
  // What somebody was sending stops when they sign out.
  useEffect(() => stopUploads, []);
  useEffect(() => forgetDisplayed, []);
  return (
    <>
      <Outlet />
      <Palette />
      <CheatSheet />
    </>
  );
}

/** Preferences are read once and forgotten with the session; the keys among them work on every page. */
function useOwnPreferences(): void {
  useEffect(() => {
    // Without them the screen works as it is made.
    loadPreferences().catch(() => undefined);
    return forgetPreferences;
  }, []);
  const hotkeys = usePreferences(({ values }) => values.hotkeys);
  useEffect(() => setOwnKeys(readOwnKeys(hotkeys)), [hotkeys]);
}

function useLiveUpdates(): void {
  const queries = useQueryClient();
  useEffect(() => {
    const { setConnection, noteArrivals } = useLive.getState();
    const changed = new Set<string>();
    const askedAt = new Map<string, number>();
    const stale = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let staleTimer: ReturnType<typeof setTimeout> | undefined;
    let isRefreshing = false;

    const isDue = (uid: string): boolean => {
      const now = Date.now();
      if (isShown(queries, uid)) return true;
      if (now - (askedAt.get(uid) ?? 0) < UNSHOWN_MS) return false;
      askedAt.set(uid, now);
      return true;
    };
    const refresh = async () => {
      timer = undefined;
      if (isRefreshing) {
        schedule();
        return;
      }
      const uids = [...changed].filter(isDue);
      uids.forEach((uid) => changed.delete(uid));
      if (changed.size > 0) schedule();
      if (uids.length === 0) return;
      isRefreshing = true;
      try {
        noteArrivals(uids.filter((uid) => !isShown(queries, uid)));
        await refreshStudies(queries, uids);
      } catch (error) {
        // The list keeps what it shows; the next event or a change of window reads it again.
        if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
      } finally {
        isRefreshing = false;
      }
    };
    const schedule = () => {
      timer ??= setTimeout(() => void refresh(), GATHER_MS);
    };

    const readAgain = () => {
      staleTimer = undefined;
      const keys = [...stale];
      stale.clear();
      for (const key of keys) void queries.invalidateQueries({ queryKey: [key] });
    };

    const stop = listenToEvents(['study', ...Object.keys(READ_AGAIN)], {
      onEvent: ({ name, key }) => {
        if (name !== 'study') {
          READ_AGAIN[name]?.forEach((one) => stale.add(one));
          staleTimer ??= setTimeout(readAgain, GATHER_MS);
          return;
        }
        changed.add(key);
        schedule();
      },
      onConnection: (connection) => {
        setConnection(connection);
        // A refused line may mean that the session ended; asking tells, and leads to the sign-in.
        if (connection === 'lost') void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
      },
      onGap: () => {
        const missed = new Set(['studies', 'study', ...Object.values(READ_AGAIN).flat()]);
        for (const key of missed) void queries.invalidateQueries({ queryKey: [key] });
      },
    });
    return () => {
      clearTimeout(timer);
      clearTimeout(staleTimer);
      stop();
    };
  }, [queries]);
}
