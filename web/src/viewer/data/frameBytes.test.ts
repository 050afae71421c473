import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchAhead, fetchEarly, framesWaiting, keepEarlyFramesOf, takeFrame } from './frameBytes';

const url = (study: number, frame: number): string => `/dicomweb/studies/1.${study}/frames/${frame}`;

interface Asked {
  url: string;
  priority: string | undefined;
  signal: AbortSignal;
  answer: (bytes: number) => void;
}

describe('frames on their way before the renderer is here', () => {
  let asked: Asked[];

  beforeEach(() => {
    fetchAhead([]);
    keepEarlyFramesOf('none');
    asked = [];
    vi.stubGlobal('fetch', (address: string, init: RequestInit) => {
      return new Promise<Response>((resolve, reject) => {
        const signal = init.signal as AbortSignal;
        signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
        asked.push({
          url: address,
          priority: init.priority,
          signal,
          answer: (bytes) =>
            resolve(
              new Response(new Uint8Array(bytes), {
                headers: { 'Content-Type': 'application/octet-stream' },
              }),
            ),
        });
      });
    });
  });

  it('are asked for once, and handed over once', async () => {
    void fetchEarly(url(1, 1));
    const taken = takeFrame(url(1, 1));
    expect(asked.map((each) => [each.url, each.priority])).toEqual([[url(1, 1), 'high']]);
    asked[0]?.answer(7);
    expect((await taken).bytes).toHaveLength(7);
    void takeFrame(url(1, 1)).catch(() => undefined);
    expect(asked).toHaveLength(2);
  });

  it('come six at a time, until 24 MiB have come', async () => {
    fetchAhead(Array.from({ length: 20 }, (_, frame) => url(1, frame)));
    expect(asked.map(({ priority }) => priority)).toEqual(Array(6).fill('low'));
    asked[0]?.answer(1);
    await vi.waitFor(() => expect(asked).toHaveLength(7));
    // What a viewport asks for itself is not fetched again.
    void takeFrame(url(1, 7)).catch(() => undefined);
    expect(asked.map((each) => each.url)).toContain(url(1, 7));
    asked[1]?.answer(1);
    await vi.waitFor(() => expect(asked.map((each) => each.url)).toContain(url(1, 8)));
    expect(asked.filter((each) => each.url === url(1, 7))).toHaveLength(1);
    // Who waits for the bytes longest hears of them first: when they are here, it has decided whether to go on.
    const large = asked[2]?.url ?? '';
    asked[2]?.answer(25 * 2 ** 20);
    expect((await takeFrame(large)).bytes).toHaveLength(25 * 2 ** 20);
    const before = asked.length;
    const rest = asked.slice(3).filter((each) => each.url !== url(1, 7));
    rest.forEach((each) => each.answer(1));
    await Promise.all(rest.map((each) => takeFrame(each.url)));
    expect(asked).toHaveLength(before);
  });

  it('are called off and dropped when another study is opened', () => {
    fetchAhead([url(1, 1), url(1, 2)]);
    keepEarlyFramesOf('1.1');
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([false, false]);
    // The first is taken while it is on its way: whoever took it waits for it.
    void takeFrame(url(1, 1)).catch(() => undefined);
    keepEarlyFramesOf('1.2');
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([false, true]);
    expect(framesWaiting()).toBe(0);
  });
});
