/** Encoded frames on their way: fetched once, even when the first is asked for before the renderer has started. */
import { fetchFrame } from './dicomweb';
import type { Part } from './multipart';
import { mark } from './timing';

export const FRAME_TIMEOUT_MS = 60_000;

const early = new Map<string, Promise<Part>>();
const EARLY_MAX = 4;

/** Starts a fetch whose answer waits for the loader. */
export function fetchEarly(url: string): void {
  if (early.has(url) || early.size >= EARLY_MAX) return;
  const promise = fetchFrame(url, FRAME_TIMEOUT_MS);
  promise.then(
    () => mark('firstBytes'),
    () => early.delete(url),
  );
  early.set(url, promise);
}

export function takeFrame(url: string, signal?: AbortSignal): Promise<Part> {
  const started = early.get(url);
  if (!started) return fetchFrame(url, FRAME_TIMEOUT_MS, signal);
  early.delete(url);
  return started;
}
