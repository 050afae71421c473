import { ActionIcon, Tooltip } from '@mantine/core';
import { ChevronLeft, ChevronRight } from 'lucide-react';
import { useEffect } from 'react';
import { neighboursIn, type Neighbours, readOn, useReadingList } from '@/api/readingList';
import { warmStudy } from '../data/warm';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import classes from './Priors.module.css';

/** After the first image, and after what the reader does with it, the next study is fetched ahead. */
const WARM_AFTER_MS = 1_500;

/** The neighbours in the list that the reader came from; the next one is warmed. */
export function useNeighbours(): Neighbours {
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  const uids = useReadingList((state) => state.studyInstanceUids);
  const isShown = useViewer((state) => state.panes.pane1.status.kind === 'ready');
  const neighbours = neighboursIn(uids, studyInstanceUid);
  const { next, place } = neighbours;
  const isLast = place !== null && next === null;
  useEffect(() => {
    if (!isShown) return undefined;
    const timer = setTimeout(() => {
      if (next !== null) void warmStudy(next);
      // Without the rest of the list the reader stops here, as if it were its end.
      else if (isLast) readOn().catch(() => undefined);
    }, WARM_AFTER_MS);
    return () => clearTimeout(timer);
  }, [isShown, next, isLast]);
  return neighbours;
}

export function StudyNavigation({ onStudy }: { onStudy: (studyInstanceUid: string) => void }) {
  const t = useTexts();
  const { previous, next, place, count } = useNeighbours();
  if (place === null || count < 2) return null;
  const step = (uid: string | null, label: string, Icon: typeof ChevronLeft) => (
    <Tooltip label={label}>
      <ActionIcon
        size={30}
        aria-label={label}
        disabled={uid === null}
        onClick={() => {
          if (uid !== null) onStudy(uid);
        }}
      >
        <Icon size={18} />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <div className={classes.studies} role="group" aria-label={t('studies.title')}>
      {step(previous, t('actions.previousStudy'), ChevronLeft)}
      <span data-role="place">{t('studies.place', { place, count })}</span>
      {step(next, t('actions.nextStudy'), ChevronRight)}
    </div>
  );
}
