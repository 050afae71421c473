import { expect, test } from 'vitest';
import { createUploadQueue, PARALLEL, type Send, type UploadResult } from './queue';
import type { FoundFile } from './walk';

const found = (name: string, size = 10): FoundFile => ({
  file: new File(['x'.repeat(size)], name),
  path: name,
});
const at = (notify: () => void) => notify();
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A server whose answers the test gives by hand. */
function server() {
  const waiting = new Map<
    string,
    { resolve: (results: UploadResult[]) => void; reject: (error: Error) => void }
  >();
  const progress = new Map<string, (sentBytes: number) => void>();
  const send: Send = ({ path }, { signal, onProgress }) =>
    new Promise((resolve, reject) => {
      waiting.set(path, { resolve, reject });
      progress.set(path, onProgress);
      signal.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
    });
  return { send, waiting, progress };
}

const stored = (name: string): UploadResult[] => [{ name, outcome: 'stored' }];

test('no more than three files are on their way at once, in the order they came', async () => {
  const { send, waiting } = server();
  const queue = createUploadQueue(send, at);
  queue.add(['a', 'b', 'c', 'd', 'e'].map((name) => found(name)));
  expect([...waiting.keys()]).toEqual(['a', 'b', 'c']);
  expect(PARALLEL).toBe(3);
  waiting.get('b')?.resolve(stored('b'));
  await settled();
  expect([...waiting.keys()]).toEqual(['a', 'b', 'c', 'd']);
});

test('progress counts finished files whole and running ones by their bytes', async () => {
  const { send, waiting, progress } = server();
  const queue = createUploadQueue(send, at);
  queue.add([found('a', 100), found('b', 50)]);
  progress.get('a')?.(40);
  expect(queue.snapshot().totals.sentBytes).toBe(40);
  waiting.get('b')?.resolve(stored('b'));
  await settled();
  expect(queue.snapshot().totals).toMatchObject({ bytes: 150, sentBytes: 90, finished: 1, stored: 1 });
});

test('a ZIP counts one result for each file inside', async () => {
  const { send, waiting } = server();
  const queue = createUploadQueue(send, at);
  queue.add([found('cd.zip')]);
  waiting.get('cd.zip')?.resolve([
    { name: 'IM1', outcome: 'stored' },
    { name: 'IM2', outcome: 'duplicate' },
    { name: 'README', outcome: 'skipped', reason: 'not DICOM' },
  ]);
  await settled();
  expect(queue.snapshot().totals).toMatchObject({
    items: 1,
    stored: 1,
    duplicate: 1,
    skipped: 1,
    refused: 0,
  });
  expect(queue.snapshot().isBusy).toBe(false);
});

test('cancelling stops what runs and what waits, and a retry sends it again', async () => {
  const { send, waiting } = server();
  const queue = createUploadQueue(send, at);
  queue.add(['a', 'b', 'c', 'd'].map((name) => found(name)));
  queue.cancel();
  await settled();
  expect(queue.snapshot().totals.cancelled).toBe(4);
  expect(queue.snapshot().isBusy).toBe(false);
  queue.retry();
  expect([...waiting.keys()].slice(0, 3)).toEqual(['a', 'b', 'c']);
  expect(queue.snapshot().isBusy).toBe(true);
});

test('one cancelled file leaves the others alone', async () => {
  const { send } = server();
  const queue = createUploadQueue(send, at);
  queue.add([found('a'), found('b')]);
  const id = queue.snapshot().items[0]?.id;
  queue.cancel(id);
  await settled();
  expect(queue.snapshot().items.map(({ state }) => state.kind)).toEqual(['cancelled', 'sending']);
});

test('a file that fails keeps its reason and the next one goes on', async () => {
  const { send, waiting } = server();
  const queue = createUploadQueue(send, at);
  queue.add(['a', 'b', 'c', 'd'].map((name) => found(name)));
  waiting.get('a')?.reject(new Error('the disk is full'));
  await settled();
  expect(queue.snapshot().items[0]?.state).toEqual({ kind: 'failed', reason: 'the disk is full' });
  expect(waiting.has('d')).toBe(true);
});

test('clearing forgets what is finished only', async () => {
  const { send, waiting } = server();
  const queue = createUploadQueue(send, at);
  queue.add([found('a'), found('b')]);
  waiting.get('a')?.resolve(stored('a'));
  await settled();
  queue.clear();
  expect(queue.snapshot().items.map(({ path }) => path)).toEqual(['b']);
});
