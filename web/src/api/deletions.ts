import { infiniteQueryOptions } from '@tanstack/react-query';
import { client, unwrap } from './client';
import type { Deletion } from './types';

const FIRST = null as string | null;

export const deletionsQuery = infiniteQueryOptions({
  queryKey: ['deletions'],
  queryFn: ({ pageParam, signal }) =>
    unwrap(
      client.GET('/deletions', {
        params: { query: { cursor: pageParam === null ? undefined : Number(pageParam) } },
        signal,
      }),
    ),
  initialPageParam: FIRST,
  getNextPageParam: (last) => last.nextCursor,
  refetchInterval: 10_000,
});

export function deleteStudy(studyInstanceUid: string, reason: string): Promise<Deletion> {
  return unwrap(client.POST('/deletions', { body: { studyInstanceUid, reason } }));
}

export async function restoreDeletion(deletionId: number): Promise<number> {
  const started = await unwrap(
    client.POST('/deletions/{deletionId}/restore', { params: { path: { deletionId } } }),
  );
  return started.jobId;
}
