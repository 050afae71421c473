import { send } from './sending';
import type { UploadResult } from './types';

/**
 * Send one file, DICOM or ZIP, as it is.
 *
 * Rejects with an ApiError, Unreachable when there was no answer, or an AbortError.
 */
export async function sendFile(
  file: File,
  name: string,
  { onProgress, signal }: { onProgress: (sentBytes: number) => void; signal: AbortSignal },
): Promise<readonly UploadResult[]> {
  const answer = await send(`/uploads?name=${encodeURIComponent(name)}`, file, {
    mediaType: 'application/octet-stream',
    onProgress,
    signal,
  });
  return (JSON.parse(await answer.text()) as { results: UploadResult[] }).results;
}
