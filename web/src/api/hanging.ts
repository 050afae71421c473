import { queryOptions } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import type { components } from './schema';
import type { StudyRow } from './types';

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

export type HangingProtocol = components['schemas']['HangingProtocol'];
export type HangingRule = components['schemas']['HangingRule'];
export type HangingOwner = 'person' | 'site';

const PROTOCOLS = ['hanging', 'protocols'] as const;

/** The caller's, the site's, and those that lie in the archive. */
export const hangingProtocolsQuery = queryOptions({
  queryKey: PROTOCOLS,
  queryFn: ({ signal }): Promise<HangingProtocol[]> => unwrap(client.GET('/hanging-protocols', { signal })),
  staleTime: 60_000,
});

export const keepHangingProtocol = (owner: HangingOwner, rule: HangingRule): Promise<HangingProtocol> =>
  unwrap(client.POST('/hanging-protocols', { body: { owner, rule, position: 0, isOn: true } }));

export const adoptHangingProtocol = (
  owner: HangingOwner,
  sopInstanceUid: string,
  place: { position: number; isOn: boolean } = { position: 0, isOn: true },
): Promise<HangingProtocol> =>
  unwrap(client.POST('/hanging-protocols', { body: { owner, sopInstanceUid, ...place } }));

/** What a protocol was before it was changed, the newest first. */
export const hangingHistoryQuery = (id: number) =>
  queryOptions({
    queryKey: ['hanging', 'history', id],
    queryFn: ({ signal }): Promise<HangingProtocol[]> =>
      unwrap(client.GET('/hanging-protocols/{id}/history', { params: { path: { id } }, signal })),
  });

export const changeHangingProtocol = (
  id: number,
  change: { rule?: HangingRule; name?: string; isOn?: boolean; position?: number },
): Promise<HangingProtocol> =>
  unwrap(client.PATCH('/hanging-protocols/{id}', { params: { path: { id } }, body: change }));

export const removeHangingProtocol = (id: number): Promise<void> =>
  done(client.DELETE('/hanging-protocols/{id}', { params: { path: { id } } }));

/** Recent studies that a protocol with these conditions would be for. */
export const findStudiesAlike = (when: HangingRule['when']): Promise<StudyRow[]> =>
  unwrap(client.POST('/hanging-protocols/alike', { body: when }));
