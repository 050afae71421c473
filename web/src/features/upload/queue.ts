/** Uploads in order, a few at a time. Pure: what sends is given, what shows it subscribes. */
import type { FoundFile } from './walk';

export type Outcome = 'stored' | 'duplicate' | 'refused' | 'skipped';

/** What became of one instance; a ZIP gives one for each file inside. */
export interface UploadResult {
  name: string;
  outcome: Outcome;
  reason?: string | null;
  studyInstanceUid?: string | null;
}

export type ItemState =
  | { kind: 'waiting' }
  | { kind: 'sending'; sentBytes: number }
  | { kind: 'done'; results: readonly UploadResult[] }
  | { kind: 'failed'; reason: string }
  | { kind: 'cancelled' };

export interface UploadItem {
  id: number;
  path: string;
  sizeBytes: number;
  state: ItemState;
}

export interface UploadTotals {
  items: number;
  bytes: number;
  /** Bytes of finished items and of those under way. */
  sentBytes: number;
  finished: number;
  failed: number;
  cancelled: number;
  stored: number;
  duplicate: number;
  refused: number;
  skipped: number;
}

export interface UploadSnapshot {
  items: readonly UploadItem[];
  totals: UploadTotals;
  /** Whether anything waits or is under way. */
  isBusy: boolean;
}

export type Send = (
  file: FoundFile,
  options: { onProgress: (sentBytes: number) => void; signal: AbortSignal },
) => Promise<readonly UploadResult[]>;

export const PARALLEL = 3;

const EMPTY: UploadTotals = {
  items: 0,
  bytes: 0,
  sentBytes: 0,
  finished: 0,
  failed: 0,
  cancelled: 0,
  stored: 0,
  duplicate: 0,
  refused: 0,
  skipped: 0,
};

export function totalsOf(items: readonly UploadItem[]): UploadTotals {
  const totals = { ...EMPTY };
  for (const { sizeBytes, state } of items) {
    totals.items += 1;
    totals.bytes += sizeBytes;
    if (state.kind === 'sending') totals.sentBytes += Math.min(state.sentBytes, sizeBytes);
    if (state.kind === 'waiting' || state.kind === 'sending') continue;
    totals.finished += 1;
    totals.sentBytes += sizeBytes;
    if (state.kind === 'failed') totals.failed += 1;
    if (state.kind === 'cancelled') totals.cancelled += 1;
    if (state.kind === 'done') for (const { outcome } of state.results) totals[outcome] += 1;
  }
  return totals;
}

export interface UploadQueue {
  add: (files: readonly FoundFile[]) => void;
  /** Stop one item, or all that are not finished. */
  cancel: (id?: number) => void;
  /** Try failed and cancelled items again. */
  retry: () => void;
  /** Forget what is finished. */
  clear: () => void;
  subscribe: (watcher: () => void) => () => void;
  snapshot: () => UploadSnapshot;
}

interface Entry {
  item: UploadItem;
  file: FoundFile;
  abort: AbortController | null;
}

/**
 * `schedule` joins the many progress events of a frame into one notice; the default waits for the browser's next frame.
 */
export function createUploadQueue(
  send: Send,
  schedule: (notify: () => void) => void = (notify) => requestAnimationFrame(notify),
): UploadQueue {
  let entries: Entry[] = [];
  let nextId = 1;
  let running = 0;
  let isNoticePending = false;
  let current: UploadSnapshot = { items: [], totals: EMPTY, isBusy: false };
  const watchers = new Set<() => void>();

  function changed(): void {
    if (isNoticePending) return;
    isNoticePending = true;
    schedule(() => {
      isNoticePending = false;
      const items = entries.map((entry) => entry.item);
      current = {
        items,
        totals: totalsOf(items),
        isBusy: items.some(({ state }) => state.kind === 'waiting' || state.kind === 'sending'),
      };
      for (const watcher of watchers) watcher();
    });
  }

  function move(entry: Entry, state: ItemState): void {
    entry.item = { ...entry.item, state };
    changed();
  }

  async function run(entry: Entry): Promise<void> {
    const abort = new AbortController();
    entry.abort = abort;
    move(entry, { kind: 'sending', sentBytes: 0 });
    try {
      const results = await send(entry.file, {
        signal: abort.signal,
        onProgress: (sentBytes) => {
          if (entry.item.state.kind === 'sending') move(entry, { kind: 'sending', sentBytes });
        },
      });
      move(entry, { kind: 'done', results });
    } catch (error) {
      if (abort.signal.aborted) move(entry, { kind: 'cancelled' });
      else move(entry, { kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
    } finally {
      entry.abort = null;
      running -= 1;
      fill();
    }
  }

  function fill(): void {
    for (const entry of entries) {
      if (running >= PARALLEL) return;
      if (entry.item.state.kind !== 'waiting') continue;
      running += 1;
      void run(entry);
    }
  }

  return {
    add(files) {
      for (const file of files) {
        const item = {
          id: nextId,
          path: file.path,
          sizeBytes: file.file.size,
          state: { kind: 'waiting' } as const,
        };
        entries.push({ item, file, abort: null });
        nextId += 1;
      }
      changed();
      fill();
    },
    cancel(id) {
      for (const entry of entries) {
        if (id !== undefined && entry.item.id !== id) continue;
        if (entry.item.state.kind === 'waiting') move(entry, { kind: 'cancelled' });
        entry.abort?.abort();
      }
    },
    retry() {
      for (const entry of entries) {
        if (entry.item.state.kind === 'failed' || entry.item.state.kind === 'cancelled')
          move(entry, { kind: 'waiting' });
      }
      fill();
    },
    clear() {
      entries = entries.filter(({ item }) => item.state.kind === 'waiting' || item.state.kind === 'sending');
      changed();
    },
    subscribe(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    snapshot: () => current,
  };
}
