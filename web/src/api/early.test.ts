import { describe, expect, it, vi } from 'vitest';
import { askSessionEarly, takeEarlyAnswer } from './early';

const request = (path: string, method = 'GET'): Request =>
  new Request(`http://filmless.test${path}`, { method });

describe('the early answer', () => {
  it('is for the first request only, and only when that asks for the session', async () => {
    const answer = new Response('{}');
    vi.stubGlobal('fetch', () => Promise.resolve(answer));
    askSessionEarly();
    expect(await takeEarlyAnswer(request('/api/v1/session'))).toBe(answer);
    expect(takeEarlyAnswer(request('/api/v1/session'))).toBeNull();
    askSessionEarly();
    expect(takeEarlyAnswer(request('/api/v1/session', 'POST'))).toBeNull();
    expect(takeEarlyAnswer(request('/api/v1/session'))).toBeNull();
  });
});
