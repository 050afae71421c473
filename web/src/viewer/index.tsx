/**
 * The viewer's door. Code and data are fetched side by side: the study is asked for as soon as the door opens, and while
 * Cornerstone is still being read, the first frame is on its way.
 */
import { Center, Loader } from '@mantine/core';
import { lazy, Suspense, useEffect, useState } from 'react';
import { openStudy } from './data/opening';
import { loadEngine } from './tools/withEngine';

export interface ViewerProps {
  studyInstanceUid: string;
  seriesInstanceUid?: string | undefined;
  onClose: () => void;
  /** Goes on to another study of the reader's list. */
  onStudy: (studyInstanceUid: string) => void;
}

const ViewerPage = lazy(() => {
  // What keeps it from starting is told by the page, which asks for it again.
  loadEngine().catch(() => undefined);
  return import('./ui/ViewerPage');
});

function Waiting() {
  return (
    <Center h="100%" bg="#000">
      <Loader size="sm" color="gray" />
    </Center>
  );
}

export default function Viewer({ studyInstanceUid, seriesInstanceUid, onClose, onStudy }: ViewerProps) {
  const [attempt, setAttempt] = useState(0);
  useEffect(
    () => openStudy(studyInstanceUid, seriesInstanceUid, window.matchMedia('(max-width: 48em)').matches),
    [studyInstanceUid, seriesInstanceUid, attempt],
  );
  // Waits in here and not above: a component that waits has no effects, and its study would not be asked for yet.
  return (
    <Suspense fallback={<Waiting />}>
      <ViewerPage
        onClose={onClose}
        onStudy={onStudy}
        onRetry={() => setAttempt((before) => before + 1)}
        isSeriesAsked={seriesInstanceUid !== undefined}
      />
    </Suspense>
  );
}
