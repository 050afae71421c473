import { expect, test } from 'vitest';
import { interleaved, LoadQueue, nearestFirst } from './prefetch';

test('frames near the current one come first, two ahead for one behind', () => {
  expect(nearestFirst(5, 10)).toEqual([5, 6, 7, 4, 8, 9, 3, 2, 1, 0]);
  expect(nearestFirst(5, 10, -1)).toEqual([5, 4, 3, 6, 2, 1, 7, 0, 8, 9]);
  expect(nearestFirst(0, 4)).toEqual([0, 1, 2, 3]);
  expect(nearestFirst(3, 4)).toEqual([3, 2, 1, 0]);
  expect(nearestFirst(0, 0)).toEqual([]);
});

test('every frame is planned once', () => {
  for (const current of [0, 7, 19]) {
    expect([...nearestFirst(current, 20)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    );
  }
});

test('viewports take turns, the active one twice', () => {
  expect(
    interleaved([
      ['a', 'b', 'c', 'd'],
      ['x', 'y'],
    ]),
  ).toEqual(['a', 'b', 'x', 'c', 'd', 'y']);
  expect(
    interleaved([
      ['a', 'b'],
      ['b', 'c'],
    ]),
  ).toEqual(['a', 'b', 'c']);
});

function controlled(concurrency = 2, reserved = 0) {
  const started: string[] = [];
  const settle = new Map<string, { resolve: (value: string) => void; reject: (reason: Error) => void }>();
  const progress: string[] = [];
  const queue = new LoadQueue<string>({
    concurrency,
    reserved,
    load: (key) => {
      started.push(key);
      return new Promise((resolve, reject) => settle.set(key, { resolve, reject }));
    },
    onProgress: (key, state) => progress.push(`${key} ${state}`),
  });
  const finish = async (key: string, error?: Error): Promise<void> => {
    const entry = settle.get(key);
    if (error) entry?.reject(error);
    else entry?.resolve(key);
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { queue, started, finish, progress };
}

test('no more than the agreed number run at once', async () => {
  const { queue, started, finish } = controlled(2);
  queue.plan(['a', 'b', 'c', 'd']);
  expect(started).toEqual(['a', 'b']);
  await finish('a');
  expect(started).toEqual(['a', 'b', 'c']);
});

test('what a viewport waits for goes before what was planned, the latest wish first', async () => {
  const { queue, started, finish } = controlled(2);
  queue.plan(['a', 'b', 'c', 'd']);
  void queue.want('x');
  void queue.want('y');
  await finish('a');
  await finish('b');
  expect(started).toEqual(['a', 'b', 'y', 'x']);
});

test('a place is kept free for wishes', () => {
  const { queue, started } = controlled(3, 1);
  queue.plan(['a', 'b', 'c', 'd']);
  expect(started).toEqual(['a', 'b']);
  void queue.want('x');
  expect(started).toEqual(['a', 'b', 'x']);
});

test('a wish for what is on its way is answered by it', async () => {
  const { queue, started, finish } = controlled(1);
  queue.plan(['a']);
  const wish = queue.want('a');
  await finish('a');
  await expect(wish).resolves.toBe('a');
  expect(started).toEqual(['a']);
  expect(queue.isLoaded('a')).toBe(true);
});

test('a failed frame is not planned again by itself, but can be wished for', async () => {
  const { queue, started, finish, progress } = controlled(1);
  queue.plan(['a']);
  await finish('a', new Error('broken'));
  queue.plan(['a']);
  expect(started).toEqual(['a']);
  const wish = queue.want('a');
  await finish('a');
  await expect(wish).resolves.toBe('a');
  expect(progress).toEqual(['a failed', 'a loaded']);
});

test('a new plan replaces the old order', async () => {
  const { queue, started, finish } = controlled(1);
  queue.plan(['a', 'b', 'c']);
  queue.plan(['z', 'b']);
  await finish('a');
  await finish('z');
  expect(started).toEqual(['a', 'z', 'b']);
});

test('a closed queue starts nothing more', async () => {
  const { queue, started, finish } = controlled(1);
  queue.plan(['a', 'b']);
  queue.close();
  await finish('a');
  expect(started).toEqual(['a']);
});
