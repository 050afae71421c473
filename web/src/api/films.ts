import { queryOptions } from '@tanstack/react-query';
import { client, unwrap } from './client';
import type { components } from './schema';
import { send } from './sending';

export type FilmLimits = components['schemas']['FilmLimits'];

/** Whether the server can make films, and of what. */
export const filmLimitsQuery = queryOptions({
  queryKey: ['films'],
  queryFn: ({ signal }): Promise<FilmLimits> => unwrap(client.GET('/films', { signal })),
  staleTime: 60_000,
});

/** JPEG pictures of one size become an MP4. Rejects as `send` does. */
export function makeFilm(
  studyInstanceUid: string,
  pictures: readonly Blob[],
  frameTimeMs: number,
  progress: { onProgress: (sentBytes: number) => void; signal: AbortSignal },
): Promise<Blob> {
  const path = `/studies/${encodeURIComponent(studyInstanceUid)}/films?frameTimeMs=${frameTimeMs}`;
  return send(path, new Blob([...pictures]), { mediaType: 'video/x-motion-jpeg', ...progress });
}
