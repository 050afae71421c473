import { Alert } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { useIsNarrow } from '../ui/useIsNarrow';
import { type Seen, seeArrangement } from './arrangement';
import { named } from './editing';
import { ruleOf } from './remember';
import { RuleEditor } from './RuleEditor';
import { useHanging } from './state';
import { regionInWords } from './words';

const close = (): void => useHanging.setState({ dialog: null });

/** Turns what the reader arranged into a rule, says it in words, tries it on recent studies, and keeps it. */
export function RememberDialog() {
  const t = useTexts();
  const isNarrow = useIsNarrow();
  const isOpened = useHanging(({ dialog }) => dialog === 'remember');
  const queries = useQueryClient();
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  const seen = useQuery({
    queryKey: ['hanging', 'seen', studyInstanceUid],
    queryFn: () => seeArrangement(queries),
    enabled: isOpened,
    staleTime: 0,
    gcTime: 0,
  });
  return (
    <Dialog
      opened={isOpened}
      onClose={close}
      title={t('actions.rememberHanging')}
      size="xl"
      fullScreen={isNarrow}
    >
      {seen.isError && <Alert color="red">{seen.error.message}</Alert>}
      {seen.data && !seen.isFetching && <Remembered seen={seen.data} />}
    </Dialog>
  );
}

function Remembered({ seen }: { seen: Seen }) {
  const t = useTexts();
  const derived = ruleOf(seen.arrangement, seen.studies, '');
  const regions = derived.when.regions.map((region) => regionInWords(t, region));
  return (
    <RuleEditor
      initial={named(derived, [...derived.when.modalities, ...regions].join(' '))}
      id={null}
      owner="person"
      procedures={seen.studies[0]?.procedures ?? []}
      unnamed={seen.unnamed}
      isHungAtOnce
      onKept={close}
    />
  );
}
