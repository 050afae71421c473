import { Unreachable } from '@/lib/errors';

/** An answer that is an error, as the server words it (problem+json, RFC 9457). */
export class ApiError extends Error {
  readonly status: number;
  /** When it may work again, from Retry-After. */
  readonly retryAfterS: number | null;

  constructor(status: number, message: string, retryAfterS: number | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

function detailOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null) return null;
  const { detail, title } = body as { detail?: unknown; title?: unknown };
  if (typeof detail === 'string' && detail) return detail;
  return typeof title === 'string' && title ? title : null;
}

export function toApiError(
  status: number,
  statusText: string,
  retryAfter: string | null,
  body: unknown,
): ApiError {
  const seconds = Number(retryAfter ?? '');
  return new ApiError(
    status,
    detailOf(body) ?? (statusText || `HTTP ${status}`),
    retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  );
}

/** True when the server cannot be reached or is starting; trying again helps. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return [502, 503, 504].includes(error.status);
  return error instanceof Unreachable;
}
