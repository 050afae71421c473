import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import type { Health, JobState, Storage } from './types';

export const JOB_STATES: readonly JobState[] = ['waiting', 'running', 'parked', 'done', 'cancelled'];

const FIRST = null as string | null;

/** These lists are paged by number, which the answers give as text. */
function toNumber(cursor: string | null): number | undefined {
  return cursor === null ? undefined : Number(cursor);
}

export const jobsQuery = (state: JobState | undefined) =>
  infiniteQueryOptions({
    queryKey: ['jobs', state ?? 'all'],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET('/jobs', { params: { query: { state, cursor: toNumber(pageParam) } }, signal })),
    initialPageParam: FIRST,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: keepPreviousData,
  });

export function retryJob(jobId: number): Promise<void> {
  return done(client.POST('/jobs/{jobId}/retry', { params: { path: { jobId } } }));
}

export function cancelJob(jobId: number): Promise<void> {
  return done(client.POST('/jobs/{jobId}/cancel', { params: { path: { jobId } } }));
}

export function setQueuePaused(queueName: string, isPaused: boolean): Promise<void> {
  const path = { params: { path: { queueName } } };
  return done(
    isPaused
      ? client.POST('/queues/{queueName}/pause', path)
      : client.POST('/queues/{queueName}/resume', path),
  );
}

export const storageQuery = queryOptions({
  queryKey: ['storage'],
  queryFn: ({ signal }): Promise<Storage> => unwrap(client.GET('/storage', { signal })),
  refetchInterval: 10_000,
});

export const conflictsQuery = infiniteQueryOptions({
  queryKey: ['conflicts'],
  queryFn: ({ pageParam, signal }) =>
    unwrap(client.GET('/conflicts', { params: { query: { cursor: toNumber(pageParam) } }, signal })),
  initialPageParam: FIRST,
  getNextPageParam: (last) => last.nextCursor,
});

export function resolveConflict(conflictId: number): Promise<void> {
  return done(client.POST('/conflicts/{conflictId}/resolve', { params: { path: { conflictId } } }));
}

export const refusalsQuery = infiniteQueryOptions({
  queryKey: ['refusals'],
  queryFn: ({ pageParam, signal }) =>
    unwrap(client.GET('/refusals', { params: { query: { cursor: toNumber(pageParam) } }, signal })),
  initialPageParam: FIRST,
  getNextPageParam: (last) => last.nextCursor,
  refetchInterval: 10_000,
});

export interface AuditFilter {
  actor?: string;
  action?: string;
  studyInstanceUid?: string;
  /** Moments, ISO 8601. */
  from?: string;
  to?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET('/audit', {
          params: { query: { ...filter, cursor: toNumber(pageParam) } },
          signal,
        }),
      ),
    initialPageParam: FIRST,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: keepPreviousData,
  });

export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: ({ signal }): Promise<Health> => unwrap(client.GET('/health', { signal })),
  refetchInterval: 5_000,
});

/** A kind of fault that stops service, without the details that only an administrator is told. */
export interface Fault {
  code: string;
  since: string | null;
  what: string;
  means: string;
  whatToDo: string;
}

/** What the server says of itself to anyone, also while its database is away and nobody can be recognised. */
export const readinessQuery = queryOptions({
  queryKey: ['readiness'],
  queryFn: async ({ signal }): Promise<{ isReady: boolean; faults: Fault[] }> => {
    const answer = await fetch('/readyz', { headers: { Accept: 'application/json' }, signal });
    return (await answer.json()) as { isReady: boolean; faults: Fault[] };
  },
  refetchInterval: 3_000,
});
