/**
 * Keeps the reader's marks on the server as they are drawn. A change is sent after a moment; what other windows of the
 * reader have changed comes back with the answer. Nothing waits for it: the marks on the screen are the reader's, and
 * what could not be kept is said and tried again.
 */
import i18next from 'i18next';
import { create } from 'zustand';
import { client, done, unwrap } from '@/api/client';
import { ApiError } from '@/api/errors';
import type { components } from '@/api/schema';
import { timings, openingTimes } from '../../data/timing';
import { mergeAnnotations, replaceAnnotations, useAnnotations } from '../../state/annotations';
import { differences, inPieces, isNothing, type Known, knownOf, merged } from './differences';
import { readNewSeries } from '../objects';
import type { Annotation } from './model';
import { forWire, fromReport, fromWire } from './wire';

type DraftOutcome = components['schemas']['DraftOutcome'];
export type MeasurementDocument = components['schemas']['MeasurementDocument'];

/** Changes that follow each other within this time are sent as one. */
const SEND_AFTER_MS = 700;
/** Browsers let 64 KiB outlive their page (Fetch, keepalive). */
const OUTLIVING_BYTES = 56_000;
const AT_ONCE_BYTES = 600_000;
const AGAIN_MS = [1000, 2000, 5000, 10_000, 30_000];
const CHANNEL = 'filmless.marks';

export interface Keeping {
  studyInstanceUid: string;
  /** `kept`: all that is on the screen is on the server. */
  state: 'reading' | 'kept' | 'waiting' | 'failed';
  failure: string | null;
  /** The last failure was of reading what there is. */
  isUnread: boolean;
  /** Marks that another window has changed too, and that are as they are here. */
  overwritten: number;
  /** Reports of the study that have marks. */
  documents: MeasurementDocument[];
  /** The one whose marks these are, or go on from. */
  documentUid: string | null;
  /** There is something that is in no report. */
  hasDraft: boolean;
  /** The draft was given up a moment ago; undo brings its marks back. */
  isDiscarded: boolean;
  isSaving: boolean;
  /** Why the last report was not made. */
  refusal: string | null;
  /** Reports whose marks are not shown. */
  hidden: string[];
}

const NOTHING: Keeping = {
  studyInstanceUid: '',
  state: 'reading',
  failure: null,
  isUnread: true,
  overwritten: 0,
  documents: [],
  documentUid: null,
  hasDraft: false,
  isDiscarded: false,
  isSaving: false,
  refusal: null,
  hidden: [],
};

export const useKeeping = create<Keeping>(() => NOTHING);

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(CHANNEL);

interface Keeper {
  stop: () => void;
  tryAgain: () => void;
  save: (language: 'en' | 'de') => Promise<void>;
  discard: () => Promise<void>;
}

let current: Keeper | null = null;

/** Goes on after the study is left, until what was drawn is kept. */
function startKeeper(studyInstanceUid: string, opened: number): Keeper {
  const params = { path: { studyInstanceUid } };
  const address = '/studies/{studyInstanceUid}/draft';
  let known: Known = new Map();
  let revision = 0;
  let documentUid: string | null = null;
  let isRead = false;
  let isLeft = false;
  let isBusy = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** What is on the screen; of a study that was left, what was. */
  let items: readonly Annotation[] = [];

  const over = new AbortController();
  const isHere = (): boolean => !isLeft && useAnnotations.getState().opened === opened;
  const show = (part: Partial<Keeping>): void => {
    if (isHere()) useKeeping.setState(part);
  };
  const pending = (): ReturnType<typeof differences> => differences(known, items);

  function merge(changed: readonly Annotation[], removed: readonly string[]): void {
    if (isHere()) {
      mergeAnnotations(changed, removed);
      items = useAnnotations.getState().items;
    } else {
      items = merged(items, changed, removed);
    }
  }

  function take({ changed, removed }: DraftOutcome): void {
    // What was changed here since is newer and goes its way next.
    const mine = pending();
    const ours = new Set([...mine.changed.map(({ uid }) => uid), ...mine.removed]);
    const theirs = changed.map(fromWire).filter(({ uid }) => !ours.has(uid));
    const gone = removed.filter((uid) => !ours.has(uid));
    known = knownOf(merged([...known.values()], theirs, gone));
    merge(theirs, gone);
  }

  /** What there is; what is new here is added to it. */
  async function read(): Promise<void> {
    const [draft, { documents }] = await Promise.all([
      unwrap(client.GET(address, { params })),
      unwrap(client.GET('/studies/{studyInstanceUid}/measurements', { params })),
    ]);
    const own = documents.find(({ isOwn, isSuperseded }) => isOwn && !isSuperseded);
    const isDraft = draft.revision > 0;
    documentUid = isDraft ? draft.documentUid : (own?.sopInstanceUid ?? null);
    const marks = isDraft ? draft.marks.map(fromWire) : (own?.marks.map(fromReport) ?? []);
    show({ documents, documentUid, hasDraft: isDraft });
    const mine = pending();
    const drawn = new Set(mine.changed.map(({ uid }) => uid));
    const there = new Set(marks.map(({ uid }) => uid));
    const gone = [...known.keys()].filter((uid) => !there.has(uid) && !drawn.has(uid));
    const theirs = marks.filter(({ uid }) => !drawn.has(uid) && !mine.removed.includes(uid));
    known = knownOf(marks);
    revision = draft.revision;
    isRead = true;
    merge(theirs, gone);
  }

  async function post(
    piece: { changed: readonly Annotation[]; removed: readonly string[] },
    isOutliving: boolean,
  ): Promise<DraftOutcome> {
    const outcome = await unwrap(
      client.POST(address, {
        params,
        body: { revision, changed: piece.changed.map(forWire), removed: [...piece.removed], documentUid },
        keepalive: isOutliving,
      }),
    );
    const next = new Map(known);
    for (const each of piece.changed) next.set(each.uid, each);
    for (const uid of piece.removed) next.delete(uid);
    known = next;
    return outcome;
  }

  /** A new draft holds all there is, changed since the report that it goes on from or not. */
  function outgoing(): ReturnType<typeof differences> {
    const mine = pending();
    return revision > 0 || isNothing(mine) ? mine : { changed: [...items], removed: mine.removed };
  }

  async function sendAll(): Promise<void> {
    for (const piece of inPieces(outgoing(), AT_ONCE_BYTES)) {
      const isSmall = inPieces(piece, OUTLIVING_BYTES).length === 1;
      const outcome = await post(piece, isSmall);
      revision = outcome.revision;
      documentUid = outcome.documentUid;
      show({ documentUid, hasDraft: true });
      take(outcome);
      if (outcome.overwritten.length > 0) show({ overwritten: outcome.overwritten.length });
    }
    channel?.postMessage(studyInstanceUid);
  }

  async function work(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (isBusy) return;
    isBusy = true;
    try {
      if (!isRead) await read();
      if (!isNothing(pending())) await sendAll();
      failures = 0;
      const isKept = isNothing(pending());
      show({ state: isKept ? 'kept' : 'waiting', failure: null, isUnread: false });
      if (!isKept) schedule(SEND_AFTER_MS);
      else if (isLeft) over.abort();
    } catch (error) {
      fail(error);
    } finally {
      isBusy = false;
    }
  }

  function fail(error: unknown): void {
    // The draft became a report, or was given up, in another window: what is new here goes on from what there is.
    const isGone = error instanceof ApiError && error.status === 409;
    if (isGone) isRead = false;
    // A study that was left and is deleted keeps nothing.
    if (isLeft && error instanceof ApiError && error.status === 404) {
      over.abort();
      return;
    }
    if (!isGone || failures > 0)
      show({
        state: 'failed',
        failure: error instanceof Error ? error.message : String(error),
        isUnread: !isRead,
      });
    schedule(isGone && failures === 0 ? 0 : (AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)] ?? 0));
    failures += 1;
  }

  function schedule(afterMs: number): void {
    if (timer !== undefined) return;
    timer = setTimeout(() => void work(), afterMs);
  }

  /** The page may be gone in a moment: what is small enough outlives it. */
  function flush(): void {
    const [first, ...others] = inPieces(outgoing(), OUTLIVING_BYTES);
    if (!first) return;
    if (!isBusy) {
      void work();
      return;
    }
    void post(first, true).catch(fail);
    for (const piece of others) void post(piece, false).catch(fail);
  }

  /** Asks what other windows have changed. */
  async function refresh(): Promise<void> {
    if (!isRead || isBusy || !isHere() || !isNothing(pending())) return;
    if (revision === 0) {
      isRead = false;
      await work();
      return;
    }
    isBusy = true;
    try {
      const outcome = await post({ changed: [], removed: [] }, true);
      revision = outcome.revision;
      take(outcome);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) fail(error);
    } finally {
      isBusy = false;
    }
  }

  const stopFollowing = useAnnotations.subscribe((now, before) => {
    if (now.opened !== opened || now.items === before.items) return;
    items = now.items;
    if (useKeeping.getState().isDiscarded) show({ isDiscarded: false });
    if (!isRead || isNothing(pending())) return;
    if (useKeeping.getState().state !== 'failed') show({ state: 'waiting' });
    schedule(SEND_AFTER_MS);
  });

  const hear = ({ data }: MessageEvent<string>): void => {
    if (data === studyInstanceUid) void refresh();
  };
  const see = (): void => {
    if (document.visibilityState === 'hidden') flush();
    else void refresh();
  };
  /** All that there is on the server as well, before something is done with it as a whole. */
  async function settle(): Promise<void> {
    while (isBusy) await new Promise((resolve) => setTimeout(resolve, 50));
    await work();
    if (!isRead || failures > 0) throw new Error(useKeeping.getState().failure ?? '');
  }
  /** Gives the draft up: the marks are again those of the reader's own report, or none. */
  async function discard(): Promise<void> {
    await settle();
    if (revision === 0) return;
    isBusy = true;
    try {
      await done(client.DELETE(address, { params: { ...params, query: { revision } } }));
      revision = 0;
      const own = useKeeping.getState().documents.find(({ isOwn, isSuperseded }) => isOwn && !isSuperseded);
      const marks = own?.marks.map(fromReport) ?? [];
      documentUid = own?.sopInstanceUid ?? null;
      known = knownOf(marks);
      if (isHere()) replaceAnnotations(marks);
      show({ hasDraft: false, documentUid, state: 'kept', isDiscarded: true });
      channel?.postMessage(studyInstanceUid);
    } finally {
      isBusy = false;
    }
  }
  /** Makes a report of what there is; what was drawn meanwhile becomes the next draft. */
  async function save(language: 'en' | 'de'): Promise<void> {
    await settle();
    if (revision === 0) return;
    isBusy = true;
    try {
      const written = await unwrap(
        client.POST('/studies/{studyInstanceUid}/measurements', { params, body: { revision, language } }),
      );
      revision = 0;
      documentUid = written.sopInstanceUid;
      const { documents } = await unwrap(client.GET('/studies/{studyInstanceUid}/measurements', { params }));
      show({ documents, documentUid, hasDraft: false });
      channel?.postMessage(studyInstanceUid);
      await readNewSeries(written);
    } finally {
      isBusy = false;
      if (!isNothing(pending())) schedule(SEND_AFTER_MS);
    }
  }
  const tryAgain = (): void => {
    clearTimeout(timer);
    timer = undefined;
    void work();
  };
  const warn = (event: BeforeUnloadEvent): void => {
    const isTooLarge = inPieces(outgoing(), OUTLIVING_BYTES).length > 1;
    if (isRead && !isNothing(pending()) && (failures > 0 || isTooLarge)) event.preventDefault();
  };
  const { signal } = over;
  channel?.addEventListener('message', hear, { signal });
  document.addEventListener('visibilitychange', see, { signal });
  window.addEventListener('pagehide', flush, { signal });
  window.addEventListener('online', tryAgain, { signal });
  window.addEventListener('beforeunload', warn, { signal });
  items = useAnnotations.getState().items;
  void work();

  return {
    tryAgain,
    save,
    discard,
    stop: () => {
      isLeft = true;
      stopFollowing();
      if (isRead && isNothing(pending())) over.abort();
      else flush();
    },
  };
}

/** From the first image on, marks that were drawn before are there, and new ones are kept; until it is called off. */
export function keepMarks(studyInstanceUid: string, opened: number): () => void {
  useKeeping.setState({ ...NOTHING, studyInstanceUid });
  let keeper: Keeper | null = null;
  const start = (): void => {
    keeper = startKeeper(studyInstanceUid, opened);
    current = keeper;
  };
  let stopWaiting = (): void => undefined;
  if (timings().firstImage !== undefined) start();
  else
    stopWaiting = openingTimes.subscribe(({ phases }) => {
      if (phases.firstImage === undefined) return;
      stopWaiting();
      start();
    });
  return () => {
    stopWaiting();
    keeper?.stop();
    if (current === keeper) current = null;
  };
}

export const keepNow = (): void => current?.tryAgain();

async function withWholeDraft(change: (keeper: Keeper) => Promise<void>): Promise<void> {
  const { isSaving } = useKeeping.getState();
  if (!current || isSaving) return;
  useKeeping.setState({ isSaving: true, refusal: null });
  try {
    await change(current);
  } catch (error) {
    useKeeping.setState({ refusal: error instanceof Error ? error.message : String(error) });
  } finally {
    useKeeping.setState({ isSaving: false });
  }
}

/** The marks as a structured report of the study (DICOM SR, TID 1500). */
export const saveReport = (): Promise<void> =>
  withWholeDraft(({ save }) => save(i18next.resolvedLanguage === 'de' ? 'de' : 'en'));

/** Forgets the marks that are in no report; undo brings them back as a new draft. */
export const discardDraft = (): Promise<void> => withWholeDraft(({ discard }) => discard());

/** Reports whose marks are on the images beside the reader's own. */
export const shownDocuments = ({ documents, documentUid, hidden }: Keeping): MeasurementDocument[] =>
  documents.filter(
    ({ sopInstanceUid, isSuperseded }) =>
      sopInstanceUid !== documentUid && !isSuperseded && !hidden.includes(sopInstanceUid),
  );

export const toggleDocument = (uid: string): void =>
  useKeeping.setState(({ hidden }) => ({
    hidden: hidden.includes(uid) ? hidden.filter((each) => each !== uid) : [...hidden, uid],
  }));
