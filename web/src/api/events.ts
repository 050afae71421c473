import { API_ROOT } from './client';

export interface LiveEvent {
  name: string;
  key: string;
}

export type Connection = 'connecting' | 'live' | 'lost';

function parse(data: unknown): LiveEvent | null {
  if (typeof data !== 'string') return null;
  try {
    const { name, key } = JSON.parse(data) as Partial<LiveEvent>;
    return typeof name === 'string' && typeof key === 'string' ? { name, key } : null;
  } catch {
    return null;
  }
}

const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

/**
 * Listen to what happens in the archive until the returned function is called.
 *
 * The browser reconnects by itself after a broken line and says where it stopped (Last-Event-ID). After an answer that
 * is an error it gives up, so then we start again, each time a little later, and report `onGap`: events may be missing.
 */
export function listenToEvents(
  names: readonly string[],
  handlers: {
    onEvent: (event: LiveEvent) => void;
    onConnection: (state: Connection) => void;
    onGap: () => void;
  },
): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  function open(): void {
    source = new EventSource(`${API_ROOT}/events`);
    source.addEventListener('open', () => {
      if (failures > 0) handlers.onGap();
      failures = 0;
      handlers.onConnection('live');
    });
    source.addEventListener('reset', () => {
      handlers.onGap();
    });
    for (const name of names) {
      source.addEventListener(name, (message: MessageEvent) => {
        const event = parse(message.data);
        if (event) handlers.onEvent(event);
      });
    }
    source.addEventListener('error', () => {
      handlers.onConnection('lost');
      if (source?.readyState !== EventSource.CLOSED) return;
      const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
      failures += 1;
      timer = setTimeout(open, wait);
    });
  }

  handlers.onConnection('connecting');
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
