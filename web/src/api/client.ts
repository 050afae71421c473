/** The one way to the server's JSON: typed by its OpenAPI document, errors as ApiError, CSRF token on changes. */
import createClient, { type Middleware } from 'openapi-fetch';
import { Unreachable } from '@/lib/errors';
import { csrfToken } from './csrf';
import { API_ROOT, takeEarlyAnswer } from './early';
import { type ApiError, toApiError } from './errors';
import type { paths } from './schema';

export { API_ROOT };

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

const withCsrf: Middleware = {
  onRequest({ request }) {
    const token = csrfToken();
    if (token && !SAFE.has(request.method)) request.headers.set('X-CSRF-Token', token);
    return request;
  },
};

/** fetch, but no answer is an error of its own kind, told apart from a bug of ours and from a request called off. */
async function fetchOrUnreachable(request: Request): Promise<Response> {
  try {
    return await (takeEarlyAnswer(request) ?? fetch(request));
  } catch (error) {
    if (error instanceof TypeError) throw new Unreachable(error);
    throw error;
  }
}

export const client = createClient<paths>({
  baseUrl: API_ROOT,
  credentials: 'same-origin',
  fetch: fetchOrUnreachable,
});
client.use(withCsrf);

export function errorOf(response: Response, body: unknown): ApiError {
  return toApiError(response.status, response.statusText, response.headers.get('Retry-After'), body);
}

/** The data of an answer; throws an ApiError when it is an error. */
export async function unwrap<Data>(
  answer: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<NonNullable<Data>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw errorOf(response, error);
  return data as NonNullable<Data>;
}

/** For answers without a body. */
export async function done(answer: Promise<{ error?: unknown; response: Response }>): Promise<void> {
  const { error, response } = await answer;
  if (!response.ok) throw errorOf(response, error);
}
