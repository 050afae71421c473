/** The DICOMweb calls of the viewer (PS3.18 10.4, 10.6). The session cookie goes along: same origin. */
import { type DicomJson, number, text } from './dicomJson';
import { Failure, failureOf } from './errors';
import { firstPart, type Part } from './multipart';

export const DICOMWEB_ROOT = '/dicomweb';
const REQUEST_TIMEOUT_MS = 30_000;
const METADATA_TIMEOUT_MS = 120_000;

async function request(
  url: string,
  accept: string,
  timeoutMs: number,
  signal?: AbortSignal,
  { headers = {}, priority = 'auto' }: { headers?: Record<string, string>; priority?: RequestPriority } = {},
): Promise<Response> {
  const late = AbortSignal.timeout(timeoutMs);
  const both = signal ? AbortSignal.any([signal, late]) : late;
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { Accept: accept, ...headers },
      credentials: 'same-origin',
      signal: both,
      priority,
    });
  } catch (error) {
    throw new Failure(late.aborted ? 'timeout' : 'network', '', { cause: error });
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

/** Reading the body can fail as well: the connection breaks, or time runs out. */
async function body<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    throw new Failure(isLate ? 'timeout' : 'network', '', { cause: error });
  }
}

async function json(url: string, timeoutMs: number, signal?: AbortSignal): Promise<DicomJson[]> {
  const response = await request(url, 'application/dicom+json', timeoutMs, signal);
  if (response.status === 204) return [];
  return (await body(response.json())) as DicomJson[];
}

export interface SeriesSummary {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  seriesNumber: number | null;
  modality: string;
  description: string;
  numberOfInstances: number | null;
}

const FIELDS = '0008103E,00200011,00201209,00080060,00080021,00080031';

export async function findSeries(studyInstanceUid: string, signal?: AbortSignal): Promise<SeriesSummary[]> {
  const url = `${DICOMWEB_ROOT}/studies/${studyInstanceUid}/series?includefield=${encodeURIComponent(FIELDS)}`;
  const found = await json(url, REQUEST_TIMEOUT_MS, signal);
  return found
    .map((dataset): SeriesSummary => ({
      studyInstanceUid,
      seriesInstanceUid: text(dataset, '0020000E'),
      seriesNumber: number(dataset, '00200011'),
      modality: text(dataset, '00080060'),
      description: text(dataset, '0008103E'),
      numberOfInstances: number(dataset, '00201209'),
    }))
    .sort(
      (a, b) =>
        (a.seriesNumber ?? Number.MAX_SAFE_INTEGER) - (b.seriesNumber ?? Number.MAX_SAFE_INTEGER) ||
        (a.seriesInstanceUid < b.seriesInstanceUid ? -1 : 1),
    );
}

export function seriesMetadata(
  studyInstanceUid: string,
  seriesInstanceUid: string,
  signal?: AbortSignal,
): Promise<DicomJson[]> {
  const url = `${DICOMWEB_ROOT}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/metadata`;
  return json(url, METADATA_TIMEOUT_MS, signal);
}

/**
 * Quoted, since RFC 2387 wants the type so; `*` asks for the stored transfer syntax (PS3.18 8.7.3.5.2). HTJ2K comes where
 * the server keeps a copy of the frame in it, which is several times shorter: both have the same quality.
 */
const FRAME_ACCEPT =
  'multipart/related; type="application/octet-stream"; transfer-syntax=*, ' +
  'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.202';

export async function fetchFrame(
  url: string,
  timeoutMs: number,
  signal?: AbortSignal,
  priority: RequestPriority = 'auto',
): Promise<Part> {
  const response = await request(url, FRAME_ACCEPT, timeoutMs, signal, { priority });
  const content = new Uint8Array(await body(response.arrayBuffer()));
  try {
    return firstPart(response.headers.get('Content-Type') ?? '', content);
  } catch (error) {
    throw new Failure('damaged', error instanceof Error ? error.message : '', { cause: error });
  }
}

/** Bytes of an attribute that lies apart from the metadata. */
export async function fetchBulk(uri: string, signal?: AbortSignal): Promise<Part> {
  const response = await request(
    uri,
    'multipart/related; type="application/octet-stream"',
    REQUEST_TIMEOUT_MS,
    signal,
  );
  return firstPart(
    response.headers.get('Content-Type') ?? '',
    new Uint8Array(await body(response.arrayBuffer())),
  );
}

export const seriesThumbnailUrl = (studyInstanceUid: string, seriesInstanceUid: string): string =>
  `${DICOMWEB_ROOT}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/thumbnail?viewport=160,160`;

export const instanceThumbnailUrl = (study: string, series: string, instance: string): string =>
  `${DICOMWEB_ROOT}/studies/${study}/series/${series}/instances/${instance}/thumbnail?viewport=160,160`;

/** Asks for the first byte of a rendered resource: its media type, or the reason why there is none. */
export async function renderedType(url: string, signal?: AbortSignal): Promise<string> {
  const response = await request(url, '*/*', REQUEST_TIMEOUT_MS, signal, { headers: { Range: 'bytes=0-0' } });
  await response.body?.cancel();
  return response.headers.get('Content-Type')?.split(';')[0] ?? '';
}
