import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { priorsQuery } from '@/api/priors';
import { neighboursIn, useReadingList } from '@/api/readingList';
import { useHotkeys } from '@/lib/hotkeys';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { forgetPriors, hangFirst, togglePriors, usePriors } from './hanging';

/** Keys that lead to other studies: the neighbours in the list, and what the patient had before. */
export function useReadingKeys(onStudy: (studyInstanceUid: string) => void): void {
  const t = useTexts();
  const queries = useQueryClient();
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  useEffect(() => forgetPriors, [studyInstanceUid]);

  const step = (to: 'previous' | 'next') => (): void => {
    const { studyInstanceUids } = useReadingList.getState();
    const uid = neighboursIn(studyInstanceUids, useViewer.getState().studyInstanceUid)[to];
    if (uid !== null) onStudy(uid);
  };
  const hangBest = async (): Promise<void> => {
    const priors = await queries.query(priorsQuery(studyInstanceUid));
    const relevant = priors.filter((prior) => prior.isRelevant);
    const inOrder = [
      ...relevant.filter((prior) => !prior.isLater),
      ...relevant.filter((prior) => prior.isLater),
    ];
    await hangFirst(inOrder.map((prior) => prior.study.studyInstanceUid));
    // Nothing fits by itself: the reader chooses, or sees that there is nothing or why it could not be read.
    if (usePriors.getState().hanging.kind !== 'hung') usePriors.setState({ isOpen: true });
  };
  useHotkeys([
    {
      id: 'viewer.previousStudy',
      group: t('groups.screen'),
      label: t('actions.previousStudy'),
      keys: ['Shift+PageUp'],
      run: step('previous'),
    },
    {
      id: 'viewer.nextStudy',
      group: t('groups.screen'),
      label: t('actions.nextStudy'),
      keys: ['Shift+PageDown'],
      run: step('next'),
    },
    {
      id: 'viewer.hangPrior',
      group: t('groups.screen'),
      label: t('actions.hangPrior'),
      keys: ['y'],
      run: () => {
        hangBest().catch(() => usePriors.setState({ isOpen: true }));
      },
    },
    {
      id: 'viewer.priors',
      group: t('groups.screen'),
      label: t('actions.priors'),
      keys: ['Shift+Y'],
      run: togglePriors,
    },
  ]);
}
