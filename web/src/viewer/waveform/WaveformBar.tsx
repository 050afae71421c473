import { ActionIcon, Button, Select, Tooltip } from '@mantine/core';
import { MapPin, MoveHorizontal, Pause, Play } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import type { ObjectDisplaySet } from '../data/displaySets';
import { asFailure } from '../data/errors';
import { type Texts, useTexts } from '../i18n';
import { screenScale } from '../state/screenScale';
import { useSpace } from '../state/space';
import { AttributesButton } from '../ui/AttributesButton';
import { leadOf, nameOf, type Waveform, type WaveformGroup } from './leads';
import { stretchLength, stretchQuery } from './samples';
import { type Arrangement, arrangementsFor, GAINS, hasTwelveLeads, SPEEDS } from './sheet';
import { play } from './sound';
import { type Filters, filtersOf, pointsOf } from './summary';
import type { View } from './WaveformView';
import classes from './WaveformView.module.css';

interface BarProps {
  displaySet: ObjectDisplaySet;
  waveform: Waveform;
  groups: readonly WaveformGroup[];
  group: WaveformGroup;
  view: View;
  isNarrow: boolean;
  onChange: (change: Partial<View>) => void;
}

/** What was asked for stands among the usual choices. */
const choices = (usual: readonly number[], now: number, unit: string) =>
  [...new Set([...usual, now])]
    .sort((one, other) => one - other)
    .map((each) => ({ value: String(each), label: `${Number(each.toPrecision(3))} ${unit}` }));

const filterText = (t: Texts, { lowHz, highHz, notchHz }: Filters): string =>
  [
    lowHz === null && highHz === null
      ? ''
      : t('waveform.band', { low: lowHz === null ? '…' : lowHz, high: highHz === null ? '…' : highHz }),
    notchHz === null ? '' : t('waveform.notch', { frequency: notchHz }),
  ]
    .filter(Boolean)
    .join(', ');

/** What is shown of the waveform, and how large. */
export function WaveformBar({ displaySet, waveform, groups, group, view, isNarrow, onChange }: BarProps) {
  const t = useTexts();
  const isCalibrating = useSpace((state) => state.isCalibrating);
  const leads = group.channels.map(leadOf);
  const arrangementLabel = (each: Arrangement): string =>
    each === '12x1' && !hasTwelveLeads(leads)
      ? t('waveform.arrangements.all')
      : t(`waveform.arrangements.${each}`);
  const filters = filtersOf(group).map((each) => filterText(t, each));
  const hasPoints = pointsOf(waveform.annotations, group).length > 0;
  return (
    <div className={classes.bar} role="toolbar" aria-label={t('waveform.title')}>
      {groups.length > 1 && (
        <Select
          size="xs"
          className={classes.wide}
          aria-label={t('waveform.group')}
          allowDeselect={false}
          value={String(group.number)}
          data={groups.map(({ number, label }) => ({
            value: String(number),
            label: label || t('waveform.groupNumber', { number }),
          }))}
          onChange={(value) => onChange({ groupNumber: Number(value) })}
        />
      )}
      <Select
        size="xs"
        className={classes.wide}
        aria-label={t('waveform.arrangement')}
        allowDeselect={false}
        value={view.arrangement}
        data={arrangementsFor(leads).map((each) => ({ value: each, label: arrangementLabel(each) }))}
        onChange={(value) => onChange({ arrangement: value as Arrangement })}
      />
      {(view.arrangement === 'one' || view.arrangement === '3x4') && group.channels.length > 1 && (
        <Select
          size="xs"
          className={classes.lead}
          aria-label={t(view.arrangement === 'one' ? 'waveform.lead' : 'waveform.rhythm')}
          allowDeselect={false}
          value={String(view.chosen)}
          data={group.channels.map((channel, at) => ({ value: String(at), label: nameOf(channel) }))}
          onChange={(value) => onChange({ chosen: Number(value) })}
        />
      )}
      <Select
        size="xs"
        className={classes.figure}
        aria-label={t('waveform.speed')}
        allowDeselect={false}
        value={String(view.mmPerS)}
        data={choices(SPEEDS, view.mmPerS, 'mm/s')}
        onChange={(value) => onChange({ mmPerS: Number(value) })}
      />
      <Select
        size="xs"
        className={classes.figure}
        aria-label={t('waveform.gain')}
        allowDeselect={false}
        value={String(view.gain)}
        data={choices(GAINS, view.gain, 'mm/mV')}
        onChange={(value) => onChange({ gain: Number(value) })}
      />
      <Toggle
        label={t('waveform.calipers')}
        isOn={view.hasCalipers}
        onClick={() => onChange({ hasCalipers: !view.hasCalipers })}
      >
        <MoveHorizontal size={16} />
      </Toggle>
      {hasPoints && (
        <Toggle
          label={t('waveform.points')}
          isOn={view.hasPoints}
          onClick={() => onChange({ hasPoints: !view.hasPoints })}
        >
          <MapPin size={16} />
        </Toggle>
      )}
      {displaySet.modality === 'AU' && (
        <PlayButton displaySet={displaySet} group={group} samplesMax={waveform.samplesMax} />
      )}
      <span className={classes.words}>
        {[
          `${group.samplingFrequencyHz} Hz`,
          ...(filters.length > 0 ? filters : [t('waveform.noFilter')]),
        ].join(' · ')}
      </span>
      {!isCalibrating && screenScale() === null && (
        <Button
          variant="subtle"
          color="gray"
          size="compact-xs"
          onClick={() => useSpace.setState({ isCalibrating: true })}
        >
          {t('waveform.notMeasured')}
        </Button>
      )}
      {!isNarrow && <AttributesButton />}
    </div>
  );
}

interface ToggleProps {
  label: string;
  isOn: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function Toggle({ label, isOn, onClick, children }: ToggleProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size={30}
        variant={isOn ? 'light' : 'subtle'}
        aria-label={label}
        aria-pressed={isOn}
        onClick={onClick}
      >
        {children}
      </ActionIcon>
    </Tooltip>
  );
}

interface PlayButtonProps {
  displaySet: ObjectDisplaySet;
  group: WaveformGroup;
  samplesMax: number;
}

/** Plays the beginning of a sound: as much as one answer of the server holds, which is minutes. */
function PlayButton({ displaySet, group, samplesMax }: PlayButtonProps) {
  const t = useTexts();
  const queries = useQueryClient();
  const [isPlaying, setPlaying] = useState(false);
  const [problem, setProblem] = useState('');
  const stop = useRef<(() => void) | null>(null);
  useEffect(() => () => stop.current?.(), []);
  const toggle = (): void => {
    if (stop.current) {
      stop.current();
      stop.current = null;
      setPlaying(false);
      return;
    }
    setPlaying(true);
    const length = Math.max(
      stretchLength(group, samplesMax),
      Math.floor(samplesMax / group.numberOfChannels),
    );
    queries.query(stretchQuery(displaySet.representative, group, length, 0)).then(
      (channels) => {
        stop.current = play(channels, group.samplingFrequencyHz, () => {
          stop.current = null;
          setPlaying(false);
        });
      },
      (error: unknown) => {
        setPlaying(false);
        setProblem(t(`failure.${asFailure(error).kind}`));
      },
    );
  };
  return (
    <>
      <Toggle label={t(isPlaying ? 'waveform.stop' : 'waveform.play')} isOn={isPlaying} onClick={toggle}>
        {isPlaying ? <Pause size={16} /> : <Play size={16} />}
      </Toggle>
      {problem && <span role="alert">{problem}</span>}
    </>
  );
}
