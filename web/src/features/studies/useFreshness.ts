import { useState } from 'react';
import { FRESH_MS, useLive } from '@/api/live';

/** How long ago a study appeared (milliseconds), null when that is no news any more. */
export function useFreshness(studyInstanceUid: string): number | null {
  const arrivedAt = useLive((live) => live.arrivedAt[studyInstanceUid]);
  const [shownAt] = useState(() => Date.now());
  if (arrivedAt === undefined) return null;
  const age = Math.max(0, shownAt - arrivedAt);
  return age < FRESH_MS ? age : null;
}
