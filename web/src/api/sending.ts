/** Bodies on their way to the server. By XMLHttpRequest, because fetch does not tell how much has been sent. */
import { Unreachable } from '@/lib/errors';
import { API_ROOT } from './client';
import { csrfToken } from './csrf';
import { toApiError } from './errors';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Send a body as it is, and give what is answered.
 *
 * Rejects with an ApiError, Unreachable when there was no answer, or an AbortError.
 */
export function send(
  path: string,
  contents: Blob,
  {
    mediaType,
    onProgress,
    signal,
  }: { mediaType: string; onProgress: (sentBytes: number) => void; signal: AbortSignal },
): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${API_ROOT}${path}`);
    request.responseType = 'blob';
    request.setRequestHeader('Content-Type', mediaType);
    const token = csrfToken();
    if (token) request.setRequestHeader('X-CSRF-Token', token);
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
    request.addEventListener('load', () => {
      const answer = request.response as Blob;
      if (request.status >= 200 && request.status < 300) {
        resolve(answer);
        return;
      }
      const { status, statusText } = request;
      const retryAfter = request.getResponseHeader('Retry-After');
      void answer.text().then((text) => reject(toApiError(status, statusText, retryAfter, parse(text))));
    });
    request.addEventListener('error', () => reject(new Unreachable()));
    request.addEventListener('abort', () =>
      reject(new DOMException('The upload was stopped.', 'AbortError')),
    );
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(contents);
  });
}
