/** Which frames to load when: what is asked for at once, then what lies near it, a few at a time. */

/** Indices of a stack in the order in which they are likely wanted: outward from `current`, two ahead for one behind. */
export function nearestFirst(current: number, count: number, direction: 1 | -1 = 1): number[] {
  const order: number[] = [];
  let ahead = 1;
  let behind = 1;
  const push = (index: number): boolean => {
    if (index < 0 || index >= count) return false;
    order.push(index);
    return true;
  };
  push(current);
  while (order.length < count) {
    for (let step = 0; step < 2; step += 1) {
      if (push(current + direction * ahead)) ahead += 1;
    }
    if (push(current - direction * behind)) behind += 1;
    else if (current + direction * ahead < 0 || current + direction * ahead >= count) break;
  }
  return order;
}

/** Takes one from each list in turn; the first list, the viewport in use, gives twice. */
export function interleaved<T>(lists: T[][]): T[] {
  const seen = new Set<T>();
  const result: T[] = [];
  const positions = lists.map(() => 0);
  const longest = Math.max(0, ...lists.map((list) => list.length));
  for (let round = 0; round < longest; round += 1) {
    lists.forEach((list, which) => {
      for (let turn = 0; turn < (which === 0 ? 2 : 1); turn += 1) {
        const position = positions[which] ?? 0;
        const entry = list[position];
        positions[which] = position + 1;
        if (position < list.length && entry !== undefined && !seen.has(entry)) {
          seen.add(entry);
          result.push(entry);
        }
      }
    });
  }
  return result;
}

export interface QueueOptions<T> {
  concurrency: number;
  /** Loads that stay free for what a viewport waits for. */
  reserved: number;
  load: (key: string, signal: AbortSignal) => Promise<T>;
  onProgress?: (key: string, state: 'loaded' | 'failed') => void;
}

interface Entry<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
  isUrgent: boolean;
  isRunning: boolean;
}

/**
 * Loads keys with bounded concurrency. `want` is for what a viewport shows: it goes before everything planned. `plan`
 * replaces the order of what nobody waits for yet. Loaded keys are remembered as such; the values are the cache's.
 */
export class LoadQueue<T> {
  private readonly entries = new Map<string, Entry<T>>();
  private readonly settled = new Map<string, 'loaded' | 'failed'>();
  private urgent: string[] = [];
  private planned: string[] = [];
  private running = 0;
  private isClosed = false;
  private readonly abort = new AbortController();

  constructor(private readonly options: QueueOptions<T>) {}

  /** The latest wish comes first: while scrolling, what was wished before has been passed by. */
  want(key: string): Promise<T> {
    const known = this.entries.get(key);
    if (known) {
      if (!known.isRunning) this.moveToFront(key);
      return known.promise;
    }
    this.settled.delete(key);
    const entry = this.enter(key, true);
    this.urgent.unshift(key);
    this.pump();
    return entry.promise;
  }

  plan(keys: string[]): void {
    this.planned = keys.filter((key) => !this.entries.has(key) && !this.settled.has(key));
    this.pump();
  }

  isLoaded(key: string): boolean {
    return this.settled.get(key) === 'loaded';
  }

  /** The cache dropped it: it may be planned again. */
  forget(key: string): void {
    this.settled.delete(key);
  }

  close(): void {
    this.isClosed = true;
    this.urgent = [];
    this.planned = [];
    this.abort.abort();
  }

  private enter(key: string, isUrgent: boolean): Entry<T> {
    const { promise, resolve, reject } = withResolvers<T>();
    promise.catch(() => undefined);
    const entry: Entry<T> = { promise, resolve, reject, isUrgent, isRunning: false };
    this.entries.set(key, entry);
    return entry;
  }

  private moveToFront(key: string): void {
    this.urgent = [key, ...this.urgent.filter((other) => other !== key)];
    this.pump();
  }

  private next(): string | undefined {
    const wished = this.urgent.shift();
    if (wished !== undefined) return wished;
    if (this.running >= this.options.concurrency - this.options.reserved) return undefined;
    for (;;) {
      const key = this.planned.shift();
      if (key === undefined) return undefined;
      if (!this.entries.has(key) && !this.settled.has(key)) {
        this.enter(key, false);
        return key;
      }
    }
  }

  private pump(): void {
    while (!this.isClosed && this.running < this.options.concurrency) {
      const key = this.next();
      if (key === undefined) return;
      this.start(key);
    }
  }

  private start(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    entry.isRunning = true;
    this.running += 1;
    this.options.load(key, this.abort.signal).then(
      (value) => {
        this.finish(key, 'loaded');
        entry.resolve(value);
      },
      (reason: unknown) => {
        this.finish(key, 'failed');
        entry.reject(reason);
      },
    );
  }

  private finish(key: string, state: 'loaded' | 'failed'): void {
    this.running -= 1;
    this.entries.delete(key);
    this.settled.set(key, state);
    if (!this.isClosed) this.options.onProgress?.(key, state);
    this.pump();
  }
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
