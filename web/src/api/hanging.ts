import { queryOptions } from '@tanstack/react-query';
import { client, unwrap } from './client';
import type { components } from './schema';

export type HangingSubject = components['schemas']['HangingSubject'];

/** What a study is about, and a few instances of each of its series. */
export const hangingSubjectQuery = (studyInstanceUid: string) =>
  queryOptions({
    queryKey: ['hanging', 'subject', studyInstanceUid],
    queryFn: ({ signal }): Promise<HangingSubject> =>
      unwrap(
        client.GET('/studies/{studyInstanceUid}/hanging', { params: { path: { studyInstanceUid } }, signal }),
      ),
    staleTime: 60_000,
  });
