/** Why something could not be shown, in kinds that a person can act on. */

export type FailureKind =
  | 'network'
  | 'notSignedIn'
  | 'notAllowed'
  | 'notFound'
  | 'busy'
  | 'server'
  | 'timeout'
  | 'damaged'
  | 'unsupported'
  | 'noGraphics'
  | 'graphicsLost';

export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    /** What the server or decoder said; shown small below the plain reason. */
    readonly detail = '',
    options?: ErrorOptions,
  ) {
    super(detail || kind, options);
    this.name = 'Failure';
  }
}

export function asFailure(reason: unknown): Failure {
  if (reason instanceof Failure) return reason;
  if (reason instanceof Error) return new Failure('damaged', reason.message, { cause: reason });
  return new Failure('damaged', typeof reason === 'string' ? reason : '');
}

const kindOfStatus = (status: number): FailureKind => {
  if (status === 401) return 'notSignedIn';
  if (status === 403) return 'notAllowed';
  if (status === 404 || status === 410) return 'notFound';
  if (status === 406 || status === 415) return 'unsupported';
  if (status === 429 || status === 503) return 'busy';
  return 'server';
};

/** A failed answer, with the sentence that problem+json (RFC 9457) carries when it does. */
export async function failureOf(response: Response): Promise<Failure> {
  let detail = '';
  try {
    if (response.headers.get('Content-Type')?.includes('json')) {
      const problem = (await response.json()) as { detail?: unknown; title?: unknown };
      const stated = problem.detail ?? problem.title;
      if (typeof stated === 'string') detail = stated;
    }
  } catch {
    // The body adds nothing; the status stands.
  }
  return new Failure(kindOfStatus(response.status), detail || `HTTP ${response.status}`);
}

/** Rejects with a timeout when `promise` settles too late, or never, as some decoders' do. */
export async function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Failure('timeout')), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
