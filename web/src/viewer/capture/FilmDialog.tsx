import { Alert, Button, Group, NumberInput, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type FilmLimits, filmLimitsQuery } from '@/api/films';
import { Dialog } from '@/ui/Dialog';
import { RATE_MAX, RATE_MIN, RATE_WITHOUT_DATA, rateFromData } from '../data/cine';
import type { StackDisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { type PaneId, stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import type { Identity } from './captions';
import type { FilmProgress } from './film';
import { lengthOf, rangeWithin, rateWithin } from './filmPlan';
import { useOutput } from './state';
import { IdentityChoice, useWork, WorkProgress } from './work';
import { RangeFields } from './RangeFields';

const close = (): void => useOutput.setState({ dialog: null });

/** Saves what the active viewport plays as a film. */
export function FilmDialog() {
  const t = useTexts();
  const isOpened = useOutput(({ dialog }) => dialog === 'film');
  const id = useViewer((state) => state.active);
  const stack = useViewer((state) => stackOf(state, id));
  const limits = useQuery({ ...filmLimitsQuery, enabled: isOpened });
  return (
    <Dialog opened={isOpened} onClose={close} title={t('film.title')} closeOnClickOutside={false}>
      {(!stack || stack.frames.length < 2) && <Alert color="yellow">{t('film.noStack')}</Alert>}
      {limits.isError && <Alert color="red">{limits.error.message}</Alert>}
      {limits.data && !limits.data.isPossible && <Alert color="yellow">{t('film.noEncoder')}</Alert>}
      {stack && stack.frames.length > 1 && limits.data?.isPossible && (
        <FilmForm key={stack.id} id={id} stack={stack} limits={limits.data} />
      )}
    </Dialog>
  );
}

function FilmForm({ id, stack, limits }: { id: PaneId; stack: StackDisplaySet; limits: FilmLimits }) {
  const t = useTexts();
  const count = stack.frames.length;
  const chosenRate = useViewer((state) => state.panes[id].rate);
  const [asked, setAsked] = useState({ from: 0, to: count - 1 });
  const [rate, setRate] = useState(chosenRate ?? rateFromData(stack) ?? RATE_WITHOUT_DATA);
  const [identity, setIdentity] = useState<Identity>('patient');
  const [progress, setProgress] = useState<FilmProgress | null>(null);
  const { isWorking, reason, run, stop } = useWork();
  const range = rangeWithin(count, asked);
  const length = lengthOf(range);
  const isTooLong = length > limits.picturesMax;
  const save = (): void =>
    run(async (signal) => {
      const { saveFilm } = await import('./film');
      const film = { range, rate: rateWithin(rate), identity };
      const notice = await saveFilm(id, film, limits, { onProgress: setProgress, signal });
      close();
      tell(notice);
    });
  return (
    <Stack gap="md">
      <Group grow align="start">
        <RangeFields asked={asked} count={count} isDisabled={isWorking} onChange={setAsked} />
        <NumberInput
          label={t('cine.rate')}
          min={RATE_MIN}
          max={RATE_MAX}
          decimalScale={2}
          disabled={isWorking}
          value={rate}
          onChange={(value) => setRate(Number(value) || RATE_WITHOUT_DATA)}
        />
      </Group>
      <IdentityChoice identity={identity} isDisabled={isWorking} onChange={setIdentity} />
      <Text size="sm" c={isTooLong ? 'red' : 'dimmed'} role={isTooLong ? 'alert' : undefined}>
        {isTooLong
          ? t('film.tooLong', { images: length, allowed: limits.picturesMax })
          : t('film.length', { images: length, seconds: (length / rateWithin(rate)).toFixed(1) })}
      </Text>
      {isWorking && progress && <FilmProgressBar progress={progress} />}
      {reason && <Alert color="red">{reason}</Alert>}
      <Group justify="flex-end">
        <Button variant="default" onClick={isWorking ? stop : close}>
          {t(isWorking ? 'capture.stop' : 'capture.cancel')}
        </Button>
        <Button loading={isWorking} disabled={isTooLong} onClick={save} data-autofocus>
          {t('film.save')}
        </Button>
      </Group>
    </Stack>
  );
}

function FilmProgressBar({ progress }: { progress: FilmProgress }) {
  const t = useTexts();
  const [words, share] =
    progress.kind === 'drawing'
      ? [t('capture.drawing', { done: progress.done, count: progress.count }), progress.done / progress.count]
      : [
          t(progress.sentBytes < progress.bytes ? 'film.sending' : 'film.encoding'),
          progress.sentBytes / progress.bytes,
        ];
  return <WorkProgress words={words} share={share} />;
}
