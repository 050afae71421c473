/**
 * Which images were displayed to the reader. It lies with the reader on the server: what is new is sent after a moment
 * and when the page goes, and other windows of this browser hear of it. What could not be sent is tried again; what is
 * lost with the page counts as not displayed, never the other way round.
 */
import { queryOptions } from '@tanstack/react-query';
import { create } from 'zustand';
import { countOf, includes, type Ranges, united } from '@/lib/ranges';
import { client, unwrap } from './client';
import { ApiError } from './errors';
import type { components } from './schema';

export type DisplayedCount = components['schemas']['DisplayedCount'];
export type StudyDisplayed = components['schemas']['StudyDisplayed'];

/** What is displayed within this time is sent as one. */
const SEND_AFTER_MS = 2000;
/** The screen need not count every image of a film as it runs. */
const SHOW_AFTER_MS = 150;
/** Browsers let 64 KiB outlive their page (Fetch, keepalive). */
const OUTLIVING_BYTES = 56_000;
/** A UID of 64 characters, and its name. */
const INSTANCE_BYTES = 90;
const FRAME_RANGE_BYTES = 16;
const AGAIN_MS = [1000, 2000, 5000, 10_000, 30_000];
/** Errors of the sender that another try may not meet. */
const MAY_PASS = new Set([401, 408, 425, 429]);
/** Studies that are remembered while the page is open. */
const REMEMBERED_MAX = 8;
const CHANNEL = 'filmless.displayed';

const EVERY_FRAME: Ranges = [[1, 2 ** 31 - 1]];

export type FramesOf = ReadonlyMap<string, Ranges>;

interface Displayed {
  studyInstanceUid: string;
  /** Raised when there is something new to show. */
  revision: number;
  /** What could not be sent yet is tried again. */
  hasFailed: boolean;
}

export const useDisplayed = create<Displayed>(() => ({
  studyInstanceUid: '',
  revision: 0,
  hasFailed: false,
}));

export const displayedQuery = (studyInstanceUid: string) =>
  queryOptions({
    // Below the study, so that it is read again when something arrives.
    queryKey: ['study', studyInstanceUid, 'displayed'],
    queryFn: ({ signal }): Promise<StudyDisplayed> =>
      unwrap(
        client.GET('/studies/{studyInstanceUid}/displayed', {
          params: { path: { studyInstanceUid } },
          signal,
        }),
      ),
    staleTime: 5_000,
    gcTime: 0,
  });

/** Pieces that each are small enough to outlive the page. */
export function inPieces(frames: FramesOf, mostBytes = OUTLIVING_BYTES): Map<string, Ranges>[] {
  const pieces: Map<string, Ranges>[] = [];
  let bytes = Infinity;
  for (const [uid, ranges] of frames) {
    const more = INSTANCE_BYTES + ranges.length * FRAME_RANGE_BYTES;
    if (bytes + more > mostBytes) {
      pieces.push(new Map());
      bytes = 0;
    }
    bytes += more;
    pieces.at(-1)?.set(uid, ranges);
  }
  return pieces;
}

const add = (to: Map<string, Ranges>, uid: string, ranges: Ranges): void => {
  to.set(uid, united(to.get(uid) ?? [], ranges));
};

let shown: ReturnType<typeof setTimeout> | undefined;

function show(part: Partial<Displayed> = {}): void {
  if (Object.keys(part).length > 0) useDisplayed.setState(part);
  shown ??= setTimeout(() => {
    shown = undefined;
    useDisplayed.setState(({ revision }) => ({ revision: revision + 1 }));
  }, SHOW_AFTER_MS);
}

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(CHANNEL);

interface Told {
  studyInstanceUid: string;
  frames: Map<string, Ranges>;
}

class Keeper {
  /** Displayed frames of each instance, those of other windows too. */
  readonly frames = new Map<string, Ranges>();
  /** How many images there are, as the server said last. */
  counts: DisplayedCount | null = null;
  private pending = new Map<string, Ranges>();
  private isBusy = false;
  private isOver = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly studyInstanceUid: string) {}

  get isIdle(): boolean {
    return !this.isBusy && this.pending.size === 0;
  }

  has(sopInstanceUid: string, frameNumber: number): boolean {
    return includes(this.frames.get(sopInstanceUid) ?? [], frameNumber);
  }

  note(sopInstanceUid: string, frameNumber: number): void {
    if (this.isOver || this.has(sopInstanceUid, frameNumber)) return;
    add(this.frames, sopInstanceUid, [[frameNumber, frameNumber]]);
    add(this.pending, sopInstanceUid, [[frameNumber, frameNumber]]);
    this.schedule(SEND_AFTER_MS);
    this.show();
  }

  merge(frames: FramesOf): void {
    for (const [uid, ranges] of frames) add(this.frames, uid, ranges);
    this.show();
  }

  take(told: StudyDisplayed): void {
    for (const { whole, partly } of told.series) {
      for (const uid of whole) this.frames.set(uid, EVERY_FRAME);
      for (const { sopInstanceUid, frames } of partly)
        add(
          this.frames,
          sopInstanceUid,
          frames.map(([first = 0, last = 0]) => [first, last]),
        );
    }
    this.count(told);
  }

  /** Sends what is new now; the page may be gone in a moment. */
  flush(): void {
    if (!this.isIdle) void this.send();
  }

  /** Nothing more is sent: somebody else may be signed in. */
  stop(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.pending.clear();
  }

  private count(counts: DisplayedCount): void {
    this.counts = counts;
    this.show();
  }

  private show(part: Partial<Displayed> = {}): void {
    if (useDisplayed.getState().studyInstanceUid === this.studyInstanceUid) show(part);
  }

  private schedule(afterMs: number): void {
    this.timer ??= setTimeout(() => void this.send(), afterMs);
  }

  private async send(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const pieces = inPieces(this.pending);
    this.pending = new Map();
    this.isBusy = true;
    try {
      for (let piece = pieces[0]; piece && !this.isOver; piece = pieces[0]) {
        this.count(await this.post(piece));
        pieces.shift();
        channel?.postMessage({ studyInstanceUid: this.studyInstanceUid, frames: piece } satisfies Told);
      }
      this.failures = 0;
      this.show({ hasFailed: false });
    } catch (error) {
      this.fail(error, pieces);
    } finally {
      this.isBusy = false;
    }
  }

  private async post(frames: FramesOf): Promise<DisplayedCount> {
    const { studyInstanceUid } = this;
    const instances = [...frames].map(([sopInstanceUid, ranges]) =>
      countOf(ranges) === 1 && includes(ranges, 1)
        ? { sopInstanceUid }
        : { sopInstanceUid, frames: ranges.map((range) => [...range]) },
    );
    return unwrap(
      client.POST('/studies/{studyInstanceUid}/displayed', {
        params: { path: { studyInstanceUid } },
        body: { instances },
        keepalive: true,
      }),
    );
  }

  private fail(error: unknown, pieces: readonly FramesOf[]): void {
    if (this.isOver) return;
    const status = error instanceof ApiError ? error.status : 0;
    // A study that is deleted keeps nothing.
    if (status === 404) return;
    if (status >= 400 && status < 500 && !MAY_PASS.has(status)) {
      this.show({ hasFailed: true });
      return;
    }
    for (const piece of pieces) for (const [uid, ranges] of piece) add(this.pending, uid, ranges);
    this.show({ hasFailed: true });
    this.schedule(AGAIN_MS[Math.min(this.failures, AGAIN_MS.length - 1)] ?? 0);
    this.failures += 1;
  }
}

const keepers = new Map<string, Keeper>();
const nothing = new Keeper('');
nothing.stop();

const current = (): Keeper => keepers.get(useDisplayed.getState().studyInstanceUid) ?? nothing;

/** From now on what is displayed is of this study. */
export function startDisplayed(studyInstanceUid: string): void {
  current().flush();
  // What was sent a moment ago may not be in what is read now, so that a study gone back to is remembered.
  const keeper = keepers.get(studyInstanceUid) ?? new Keeper(studyInstanceUid);
  keepers.delete(studyInstanceUid);
  keepers.set(studyInstanceUid, keeper);
  for (const [uid, each] of keepers) {
    if (keepers.size <= REMEMBERED_MAX) break;
    if (each.isIdle) keepers.delete(uid);
  }
  useDisplayed.setState(({ revision }) => ({ studyInstanceUid, revision: revision + 1, hasFailed: false }));
}

/** Another person may sign in next. */
export function forgetDisplayed(): void {
  for (const keeper of keepers.values()) {
    keeper.flush();
    keeper.stop();
  }
  keepers.clear();
  useDisplayed.setState({ studyInstanceUid: '', hasFailed: false });
}

/** A frame stands on the screen. */
export function noteDisplayed(studyInstanceUid: string, sopInstanceUid: string, frameNumber: number): void {
  const keeper = current();
  if (keeper.studyInstanceUid === studyInstanceUid) keeper.note(sopInstanceUid, frameNumber);
}

export const wasDisplayed = (sopInstanceUid: string, frameNumber: number): boolean =>
  current().has(sopInstanceUid, frameNumber);

export const countedByServer = (): DisplayedCount | null => current().counts;

/** What the server says of the study, in any window and at any time before. */
export function takeDisplayed(studyInstanceUid: string, told: StudyDisplayed): void {
  keepers.get(studyInstanceUid)?.take(told);
}

/** What is new is sent now and not after a moment. */
export const sendDisplayed = (): void => current().flush();

/** All that is known of the open study, by SOP Instance UID. */
export const displayedFrames = (): FramesOf => current().frames;

if (typeof window !== 'undefined') {
  channel?.addEventListener('message', ({ data }: MessageEvent<Told>) => {
    keepers.get(data.studyInstanceUid)?.merge(data.frames);
  });
  const flush = (): void => keepers.forEach((keeper) => keeper.flush());
  window.addEventListener('pagehide', flush);
  window.addEventListener('online', flush);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') flush();
  });
}
