/** Leaving a study of which not all images were displayed: it is told and held up by nothing, or asked for those who want. */
import { Button, Group, Text, UnstyledButton } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type ReactNode, useEffect, useState } from 'react';
import { formatName } from '@/lib/names';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { useViewChoice } from '../prefs/view';
import { useViewer } from '../state/store';
import { action } from '../tools/actions';
import { progressNow } from './displayed';
import classes from './Displayed.module.css';

const TOLD_MS = 10_000;

interface Ways {
  onClose: () => void;
  onStudy: (studyInstanceUid: string) => void;
  /** Goes to a study from wherever the reader is by then. */
  onReturn: (studyInstanceUid: string) => void;
}

interface Question {
  left: number;
  images: number;
  leave: () => void;
}

export function useLeaving({
  onClose,
  onStudy,
  onReturn,
}: Ways): Omit<Ways, 'onReturn'> & { question: ReactNode } {
  const t = useTexts();
  const { leaving } = useViewChoice();
  const [asked, setAsked] = useState<Question | null>(null);

  const tell = (left: number, images: number): void => {
    const { studyInstanceUid, patient } = useViewer.getState();
    const name = patient ? formatName(patient.patientName).main : '';
    const id = notifications.show({
      message: (
        <span className={classes.told}>
          {t('displayed.leftBehind', { count: left, images, name })}
          <UnstyledButton
            className={classes.back}
            onClick={() => {
              notifications.hide(id);
              onReturn(studyInstanceUid);
            }}
          >
            {t('displayed.back')}
          </UnstyledButton>
        </span>
      ),
      autoClose: TOLD_MS,
    });
  };
  const leave = (go: () => void): void => {
    const progress = progressNow();
    if (!progress || progress.left === 0 || leaving === 'nothing') {
      go();
    } else if (leaving === 'ask') {
      setAsked({ ...progress, leave: go });
    } else {
      tell(progress.left, progress.images);
      go();
    }
  };

  useEffect(() => {
    if (leaving !== 'ask') return undefined;
    const ask = (event: BeforeUnloadEvent): void => {
      if ((progressNow()?.left ?? 0) > 0) event.preventDefault();
    };
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [leaving]);

  const stay = (): void => setAsked(null);
  return {
    onClose: () => leave(onClose),
    onStudy: (uid) => leave(() => onStudy(uid)),
    question: (
      <Dialog opened={asked !== null} onClose={stay} title={t('displayed.ask.title')} size="sm">
        <Text size="sm">
          {t('displayed.ask.text', { count: asked?.left ?? 0, images: asked?.images ?? 0 })}
        </Text>
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button
            variant="default"
            data-autofocus
            onClick={() => {
              stay();
              action('nextNotDisplayed').run();
            }}
          >
            {t('displayed.ask.next')}
          </Button>
          <Button
            color="red"
            onClick={() => {
              stay();
              asked?.leave();
            }}
          >
            {t('displayed.ask.leave')}
          </Button>
        </Group>
      </Dialog>
    ),
  };
}
