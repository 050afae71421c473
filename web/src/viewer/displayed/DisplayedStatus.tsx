import { Tooltip, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Check } from 'lucide-react';
import { useEffect } from 'react';
import { useStore } from 'zustand';
import { displayedQuery, sendDisplayed, takeDisplayed, useDisplayed } from '@/api/displayed';
import { openingTimes } from '../data/timing';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { action } from '../tools/actions';
import { useProgress } from './displayed';
import classes from './Displayed.module.css';

/** What was displayed before, in any window, and how many images there are; read again when some arrive. */
function useDisplayedBefore(): void {
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  const hasBegun = useStore(openingTimes, ({ phases }) => phases.firstImage !== undefined);
  const { data } = useQuery({
    ...displayedQuery(studyInstanceUid),
    enabled: hasBegun && studyInstanceUid !== '',
  });
  useEffect(() => {
    if (data) takeDisplayed(studyInstanceUid, data);
  }, [studyInstanceUid, data]);
  useEffect(() => sendDisplayed, []);
}

/** How many images of the study were not displayed yet, and the way to the next of them. */
export function DisplayedStatus({ onReopen }: { onReopen: () => void }) {
  const t = useTexts();
  useDisplayedBefore();
  const progress = useProgress();
  const hasFailed = useDisplayed((state) => state.hasFailed);
  if (!progress || progress.images === 0) return null;
  const { images, left, arrived } = progress;
  return (
    <span className={classes.status} data-role="displayed" data-left={left} data-images={images}>
      <span role="status">
        {left === 0 && (
          <>
            <Check size={12} strokeWidth={2.4} aria-hidden /> {t('displayed.all', { count: images })}
          </>
        )}
      </span>
      {left > arrived && (
        <Tooltip label={t('actions.nextNotDisplayed')}>
          <UnstyledButton className={classes.button} onClick={action('nextNotDisplayed').run}>
            {t('displayed.left', { count: left })}
          </UnstyledButton>
        </Tooltip>
      )}
      {arrived > 0 && (
        <Tooltip label={t('displayed.reopen')}>
          <UnstyledButton className={classes.button} onClick={onReopen}>
            {t('displayed.arrived', { count: arrived })}
          </UnstyledButton>
        </Tooltip>
      )}
      {hasFailed && <span className={classes.failed}>{t('displayed.notKept')}</span>}
    </span>
  );
}
