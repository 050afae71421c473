import { expect, test } from 'vitest';
import { Unreachable } from '@/lib/errors';
import { ApiError, isTransient, toApiError } from './errors';

test('the sentence of the server is what a person reads', () => {
  const error = toApiError(409, 'Conflict', null, {
    title: 'Conflict',
    detail: 'There is a peer CT1 already.',
  });
  expect(error.message).toBe('There is a peer CT1 already.');
  expect(error.status).toBe(409);
});

test('an answer that is no problem+json still says something', () => {
  expect(toApiError(502, 'Bad Gateway', null, '<html>').message).toBe('Bad Gateway');
  expect(toApiError(500, '', null, undefined).message).toBe('HTTP 500');
});

test('Retry-After is read in seconds', () => {
  expect(toApiError(429, '', '30', {}).retryAfterS).toBe(30);
  expect(toApiError(429, '', 'Wed, 21 Oct 2025 07:28:00 GMT', {}).retryAfterS).toBeNull();
  expect(toApiError(429, '', null, {}).retryAfterS).toBeNull();
});

test('trying again helps when there was no answer or the server is starting', () => {
  expect(isTransient(new Unreachable())).toBe(true);
  expect(isTransient(new ApiError(503, 'starting'))).toBe(true);
  expect(isTransient(new ApiError(403, 'no'))).toBe(false);
  expect(isTransient(new TypeError('a bug of ours'))).toBe(false);
});
