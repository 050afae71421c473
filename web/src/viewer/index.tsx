/**
 * The viewer's door. Code and data are fetched side by side: the study is asked for as soon as the door opens (by
 * `early.ts` even before, when the page was loaded for it), and the first frame is shown before Cornerstone starts.
 */
import { Center, Loader } from '@mantine/core';
import { lazy, Suspense, useEffect, useState } from 'react';
import { openStudy } from './data/opening';

export interface ViewerProps {
  studyInstanceUid: string;
  seriesInstanceUid?: string | undefined;
  onClose: () => void;
  /** Goes on to another study of the reader's list. */
  onStudy: (studyInstanceUid: string) => void;
  /** Goes back to a study that was left, from wherever the reader is by then. */
  onReturn: (studyInstanceUid: string) => void;
}

const ViewerPage = lazy(() => import('./ui/ViewerPage'));

function Waiting() {
  return (
    <Center h="100%" bg="#000">
      <Loader size="sm" color="gray" />
    </Center>
  );
}

export default function Viewer({
  studyInstanceUid,
  seriesInstanceUid,
  onClose,
  onStudy,
  onReturn,
}: ViewerProps) {
  const [attempt, setAttempt] = useState(0);
  useEffect(
    () => openStudy(studyInstanceUid, seriesInstanceUid, window.matchMedia('(max-width: 48em)').matches),
    [studyInstanceUid, seriesInstanceUid, attempt],
  );
  // Waits in here and not above: a component that waits has no effects, and its study would not be asked for yet.
  return (
    <Suspense fallback={<Waiting />}>
      <ViewerPage
        // A stack that has other images by then is another one to the renderer.
        key={attempt}
        onClose={onClose}
        onStudy={onStudy}
        onReturn={onReturn}
        onRetry={() => setAttempt((before) => before + 1)}
        isSeriesAsked={seriesInstanceUid !== undefined}
      />
    </Suspense>
  );
}
