/**
 * What a person has set for themselves. It lies with the person on the server; a change is on the screen at once, sent
 * after a moment, and heard by the other windows of this browser.
 */
import { create } from 'zustand';
import { client, done, unwrap } from './client';

/** Changes that follow each other within this time are sent as one. */
const SEND_AFTER_MS = 400;
const CHANNEL = 'filmless.preferences';

interface Preferences {
  values: Readonly<Record<string, unknown>>;
  isLoaded: boolean;
  /** Why the last change is not on the server; null when all is. */
  failure: Error | null;
}

const NONE: Preferences = { values: {}, isLoaded: false, failure: null };

export const usePreferences = create<Preferences>(() => NONE);

const { getState, setState } = usePreferences;
const waiting = new Map<string, ReturnType<typeof setTimeout>>();
let loading: Promise<void> | null = null;
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(CHANNEL);

function put(name: string, value: unknown): void {
  const { [name]: _, ...others } = getState().values;
  setState({ values: value === undefined ? others : { ...others, [name]: value } });
}

channel?.addEventListener('message', ({ data }: MessageEvent<{ name: string; value: unknown }>) => {
  if (getState().isLoaded) put(data.name, data.value);
});

/** Reads them once; who calls again waits for the same answer. */
export function loadPreferences(): Promise<void> {
  loading ??= unwrap(client.GET('/preferences'))
    // What was changed while they were read is newer.
    .then(({ values }) => setState((now) => ({ values: { ...values, ...now.values }, isLoaded: true })))
    .catch((error: unknown) => {
      loading = null;
      throw error;
    });
  return loading;
}

/** Another person may sign in next. */
export function forgetPreferences(): void {
  for (const name of [...waiting.keys()]) void send(name);
  loading = null;
  setState(NONE);
}

async function send(name: string): Promise<void> {
  clearTimeout(waiting.get(name));
  waiting.delete(name);
  const value = getState().values[name];
  const params = { path: { name } };
  try {
    if (value === undefined) await done(client.DELETE('/preferences/{name}', { params }));
    else
      await done(
        client.PUT('/preferences/{name}', { params, body: { value: value as never }, keepalive: true }),
      );
    setState({ failure: null });
  } catch (error) {
    setState({ failure: error instanceof Error ? error : new Error(String(error)) });
  }
}

/** Set a preference; undefined is what Filmless does by itself. */
export function setPreference(name: string, value: unknown): void {
  put(name, value);
  channel?.postMessage({ name, value });
  clearTimeout(waiting.get(name));
  waiting.set(
    name,
    setTimeout(() => void send(name), SEND_AFTER_MS),
  );
}

if (typeof window !== 'undefined')
  window.addEventListener('pagehide', () => {
    for (const name of [...waiting.keys()]) void send(name);
  });
