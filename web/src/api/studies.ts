import {
  type InfiniteData,
  infiniteQueryOptions,
  keepPreviousData,
  type QueryClient,
  queryOptions,
} from '@tanstack/react-query';
import { API_ROOT, client, unwrap } from './client';
import type { paths } from './schema';
import type { Study, StudyPage, StudyRow } from './types';

export type StudiesSort = NonNullable<NonNullable<paths['/studies']['get']['parameters']['query']>['sort']>;

/** What narrows and orders the list; the API's own names. */
export interface StudiesFilter {
  q?: string;
  patientName?: string;
  patientId?: string;
  accessionNumber?: string;
  description?: string;
  studyDate?: string;
  modality?: string[];
  sort?: StudiesSort;
}

const PAGE_SIZE = 100;

/** The server counts no further: a total of so many means so many or more. */
export const TOTAL_MAX = 10_000;

export function fetchPage(
  filter: StudiesFilter,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<StudyPage> {
  return unwrap(
    client.GET('/studies', {
      params: { query: { ...filter, limit: PAGE_SIZE, cursor: cursor ?? undefined } },
      signal,
    }),
  );
}

export const studiesQuery = (filter: StudiesFilter) =>
  infiniteQueryOptions({
    queryKey: ['studies', filter],
    queryFn: ({ pageParam, signal }) => fetchPage(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

/** The few best studies for what is typed into the palette. */
export const findStudiesQuery = (q: string) =>
  queryOptions({
    queryKey: ['find', q],
    queryFn: ({ signal }): Promise<StudyPage> =>
      unwrap(client.GET('/studies', { params: { query: { q, limit: 6 } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

export const studyQuery = (studyInstanceUid: string) =>
  queryOptions({
    queryKey: ['study', studyInstanceUid],
    queryFn: ({ signal }): Promise<Study> =>
      unwrap(client.GET('/studies/{studyInstanceUid}', { params: { path: { studyInstanceUid } }, signal })),
    staleTime: 10_000,
  });

export function zipAddress(studyInstanceUid: string): string {
  return `${API_ROOT}/studies/${encodeURIComponent(studyInstanceUid)}/zip`;
}

export async function sendStudy(studyInstanceUid: string, peerId: number): Promise<number> {
  const started = await unwrap(
    client.POST('/studies/{studyInstanceUid}/send', {
      params: { path: { studyInstanceUid } },
      body: { peerId },
    }),
  );
  return started.jobId;
}

type Pages = InfiniteData<StudyPage, string | null>;

/** Put fresh rows where old ones of the same studies stand; pages without one stay the same object. */
export function replaceRows(pages: Pages, fresh: ReadonlyMap<string, StudyRow>): Pages {
  return {
    ...pages,
    pages: pages.pages.map((page) =>
      page.items.some((item) => fresh.has(item.studyInstanceUid))
        ? { ...page, items: page.items.map((item) => fresh.get(item.studyInstanceUid) ?? item) }
        : page,
    ),
  };
}

/** Which pages have to be read again to bring these studies up to date; null when a new order or a new row needs all. */
export function pagesToRead(
  pages: Pages,
  studyInstanceUids: readonly string[],
  sort: StudiesSort | undefined,
): number[] | null {
  if (sort === 'updatedAt' || sort === '-updatedAt') return null;
  const indices = studyInstanceUids.map((uid) =>
    pages.pages.findIndex((page) => page.items.some((item) => item.studyInstanceUid === uid)),
  );
  return indices.includes(-1) ? null : [...new Set(indices)].sort((one, other) => one - other);
}

/** Whether a study stands in a list on screen. */
export function isShown(queries: QueryClient, studyInstanceUid: string): boolean {
  return queries
    .getQueriesData<Pages>({ queryKey: ['studies'], type: 'active' })
    .some(([, data]) =>
      data?.pages.some((page) => page.items.some((item) => item.studyInstanceUid === studyInstanceUid)),
    );
}

/**
 * Bring what is on screen up to date after studies changed. Only the pages that show one of them are read again, so
 * that a list scrolled far down is not read from its top for every image that arrives. The row comes from the list and
 * not from the study itself, since reading a study is an entry in the audit trail.
 */
export async function refreshStudies(
  queries: QueryClient,
  studyInstanceUids: readonly string[],
): Promise<void> {
  for (const uid of studyInstanceUids) void queries.invalidateQueries({ queryKey: studyQuery(uid).queryKey });
  const lists = queries.getQueriesData<Pages>({ queryKey: ['studies'], type: 'active' });
  await Promise.all(
    lists.map(async ([queryKey, data]) => {
      const [, filter] = queryKey as [string, StudiesFilter];
      const indices = data && pagesToRead(data, studyInstanceUids, filter.sort);
      if (!data || !indices) return queries.invalidateQueries({ queryKey, exact: true });
      const read = await Promise.all(
        indices.map((index) => fetchPage(filter, data.pageParams[index] ?? null)),
      );
      const fresh = new Map(read.flatMap((page) => page.items).map((row) => [row.studyInstanceUid, row]));
      queries.setQueryData<Pages>(queryKey, (pages) => pages && replaceRows(pages, fresh));
    }),
  );
  // Lists that are not on screen are read again when they are.
  void queries.invalidateQueries({ queryKey: ['studies'], type: 'inactive', refetchType: 'none' });
}
