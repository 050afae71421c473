import { useEffect } from 'react';
import { DropZone } from './DropZone';
import { UploadPanel } from './UploadPanel';
import { uploads, useUploads } from './uploads';

/** Files dropped anywhere, and what becomes of them. */
export function UploadCenter() {
  const { isBusy } = useUploads();
  useEffect(() => {
    if (!isBusy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [isBusy]);
  return (
    <>
      <DropZone />
      <UploadPanel />
    </>
  );
}

/** When somebody signs out, what they were sending stops. */
export function stopUploads(): void {
  uploads.cancel();
  uploads.clear();
}
