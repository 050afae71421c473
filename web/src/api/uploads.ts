import { Unreachable } from '@/lib/errors';
import { API_ROOT } from './client';
import { csrfToken } from './csrf';
import { toApiError } from './errors';
import type { UploadResult } from './types';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Send one file, DICOM or ZIP, as it is. By XMLHttpRequest, because fetch does not tell how much has been sent.
 *
 * Rejects with an ApiError, Unreachable when there was no answer, or an AbortError.
 */
export function sendFile(
  file: File,
  name: string,
  { onProgress, signal }: { onProgress: (sentBytes: number) => void; signal: AbortSignal },
): Promise<readonly UploadResult[]> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${API_ROOT}/uploads?name=${encodeURIComponent(name)}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    const token = csrfToken();
    if (token) request.setRequestHeader('X-CSRF-Token', token);
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
    request.addEventListener('load', () => {
      const body = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) {
        resolve((body as { results: UploadResult[] }).results);
      } else {
        reject(
          toApiError(request.status, request.statusText, request.getResponseHeader('Retry-After'), body),
        );
      }
    });
    request.addEventListener('error', () => reject(new Unreachable()));
    request.addEventListener('abort', () =>
      reject(new DOMException('The upload was stopped.', 'AbortError')),
    );
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}
