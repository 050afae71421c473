import { ActionIcon, Slider } from '@mantine/core';
import { Pause, Play } from 'lucide-react';
import { RATE_MAX, RATE_MIN, RATE_WITHOUT_DATA, rateFromData } from '../data/cine';
import type { StackDisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { type PaneId, useViewer } from '../state/store';
import { changeRate, playOrPause } from '../tools/actions';
import classes from './CineBar.module.css';

/** Plays the frames at the rate the data ask for, or the one chosen here. */
export function CineBar({ id, stack }: { id: PaneId; stack: StackDisplaySet }) {
  const t = useTexts();
  const isPlaying = useViewer((state) => state.panes[id].isPlaying);
  const chosen = useViewer((state) => state.panes[id].rate);
  const rate = Math.round(chosen ?? rateFromData(stack) ?? RATE_WITHOUT_DATA);
  const label = isPlaying ? t('cine.pause') : t('cine.play');
  return (
    <div className={classes.bar}>
      <ActionIcon
        size="md"
        variant="transparent"
        color="gray.3"
        aria-label={label}
        title={label}
        onClick={() => playOrPause(id)}
      >
        {isPlaying ? <Pause size={16} /> : <Play size={16} />}
      </ActionIcon>
      <Slider
        className={classes.rate}
        size="xs"
        color="teal.5"
        min={RATE_MIN}
        max={RATE_MAX}
        value={rate}
        label={null}
        thumbLabel={t('cine.rate')}
        onChange={(value) => changeRate(id, value)}
      />
      <span className={classes.number}>{t('cine.perSecond', { rate })}</span>
    </div>
  );
}
