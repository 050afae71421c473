/** Encoded frames on their way: fetched once, even when they are asked for before the renderer has started. */
import { fetchFrame } from './dicomweb';
import type { Part } from './multipart';

export const FRAME_TIMEOUT_MS = 60_000;

/** What may wait for the renderer, as it was received. */
const AHEAD_BYTES_MAX = 24 * 2 ** 20;
/** Enough that the line is not idle while the processor is busy with starting the renderer. */
const AHEAD_AT_ONCE = 6;

interface Waiting {
  part: Promise<Part>;
  abort: AbortController;
}

const early = new Map<string, Waiting>();
let ahead: string[] = [];
let aheadBytes = 0;

function start(url: string, priority: RequestPriority): Promise<Part> {
  const abort = new AbortController();
  const part = fetchFrame(url, FRAME_TIMEOUT_MS, abort.signal, priority);
  early.set(url, { part, abort });
  part.catch(() => early.delete(url));
  return part;
}

/** Starts the fetch of the frame that is shown first; its answer waits for the loader. */
export function fetchEarly(url: string): Promise<Part> {
  return early.get(url)?.part ?? start(url, 'high');
}

/** Fetches what comes after the first frame, a few at a time, until enough of it waits. */
export function fetchAhead(urls: string[]): void {
  ahead = urls.filter((url) => !early.has(url));
  aheadBytes = 0;
  const work = async (): Promise<void> => {
    while (aheadBytes < AHEAD_BYTES_MAX) {
      const url = ahead.shift();
      if (url === undefined) return;
      try {
        const { bytes } = await start(url, 'low');
        aheadBytes += bytes.length;
      } catch {
        // Whoever shows the frame asks again, and is told why.
      }
    }
  };
  for (let each = 0; each < AHEAD_AT_ONCE; each += 1) void work();
}

export function takeFrame(url: string, signal?: AbortSignal): Promise<Part> {
  const started = early.get(url);
  if (!started) {
    ahead = ahead.filter((other) => other !== url);
    return fetchFrame(url, FRAME_TIMEOUT_MS, signal);
  }
  early.delete(url);
  return started.part;
}

/** Frames that wait; for the tests. */
export const framesWaiting = (): number => early.size;

/** Whatever waits and is not of this study is called off and dropped. What was taken is its taker's. */
export function keepEarlyFramesOf(studyInstanceUid: string): void {
  const isOfStudy = (url: string): boolean => url.includes(`/studies/${studyInstanceUid}/`);
  ahead = ahead.filter(isOfStudy);
  for (const [url, { abort }] of early) {
    if (isOfStudy(url)) continue;
    abort.abort();
    early.delete(url);
  }
}
