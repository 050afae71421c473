import { useSyncExternalStore } from 'react';
import { sendFile } from '@/api/uploads';
import { createUploadQueue, type UploadSnapshot } from './queue';
import type { FoundFile } from './walk';

/** The uploads of this window; they go on while one moves between pages. */
export const uploads = createUploadQueue(({ file, path }, options) => sendFile(file, path, options));

export function useUploads(): UploadSnapshot {
  return useSyncExternalStore(uploads.subscribe, uploads.snapshot);
}

export function addFiles(files: readonly FoundFile[]): void {
  if (files.length > 0) uploads.add(files);
}
