import { queryOptions } from '@tanstack/react-query';
import { client, unwrap } from './client';
import type { components } from './schema';

export type Prior = components['schemas']['Prior'];

/** Other studies of the patient; asked for when the reader first wants to know. */
export const priorsQuery = (studyInstanceUid: string) =>
  queryOptions({
    queryKey: ['priors', studyInstanceUid],
    queryFn: ({ signal }): Promise<Prior[]> =>
      unwrap(
        client.GET('/studies/{studyInstanceUid}/priors', { params: { path: { studyInstanceUid } }, signal }),
      ),
    staleTime: 60_000,
  });
