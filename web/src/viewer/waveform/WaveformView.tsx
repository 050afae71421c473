import { Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { ObjectDisplaySet } from '../data/displaySets';
import { asFailure } from '../data/errors';
import { useTexts } from '../i18n';
import type { PaneId } from '../state/layout';
import { FailureText } from '../ui/FailureText';
import { ObjectCard } from '../ui/ObjectCard';
import { useIsNarrow } from '../ui/useIsNarrow';
import { leadOf, type Waveform, type WaveformGroup } from './leads';
import { Paper } from './Paper';
import { waveformQuery } from './samples';
import { type Arrangement, arrangementsFor } from './sheet';
import { statementsOf, measurementsOf } from './summary';
import { WaveformBar } from './WaveformBar';
import classes from './WaveformView.module.css';

/** How the paper is looked at. */
export interface View {
  groupNumber: number;
  arrangement: Arrangement;
  /** The index of the channel of *one lead*, and of the rhythm strip. */
  chosen: number;
  mmPerS: number;
  gain: number;
  startS: number;
  hasCalipers: boolean;
  hasPoints: boolean;
}

/** The lead of the rhythm strip: II, as on paper; where there is none, the first. */
const rhythmOf = (group: WaveformGroup): number =>
  Math.max(
    0,
    group.channels.findIndex((channel) => leadOf(channel) === 'II'),
  );

const firstView = (group: WaveformGroup, isNarrow: boolean): View => {
  const [first] = arrangementsFor(group.channels.map(leadOf));
  return {
    groupNumber: group.number,
    arrangement: first === '3x4' && isNarrow ? '6x2' : (first ?? 'one'),
    chosen: rhythmOf(group),
    mmPerS: 25,
    gain: 10,
    startS: 0,
    hasCalipers: false,
    hasPoints: false,
  };
};

/** A waveform object on its paper, in a viewport. */
export default function WaveformView({ id, displaySet }: { id: PaneId; displaySet: ObjectDisplaySet }) {
  const t = useTexts();
  const instance = displaySet.representative;
  const { data, error, refetch } = useQuery(waveformQuery(instance));
  if (error) return <FailureText failure={asFailure(error)} onRetry={() => void refetch()} />;
  if (!data)
    return (
      <div className={classes.loading} role="status" aria-label={t('object.loading')}>
        <Loader size="sm" color="gray" />
      </div>
    );
  const groups = data.groups.filter(
    ({ numberOfSamples, samplingFrequencyHz }) => numberOfSamples > 0 && samplingFrequencyHz > 0,
  );
  const [first] = groups;
  if (!first) return <ObjectCard displaySet={displaySet} text={t('waveform.noSamples')} />;
  return <Shown key={displaySet.id} {...{ id, displaySet, waveform: data, groups, first }} />;
}

interface ShownProps {
  id: PaneId;
  displaySet: ObjectDisplaySet;
  waveform: Waveform;
  groups: WaveformGroup[];
  first: WaveformGroup;
}

function Shown({ id, displaySet, waveform, groups, first }: ShownProps) {
  const t = useTexts();
  const isNarrow = useIsNarrow();
  const [view, setView] = useState(() => firstView(first, isNarrow));
  const group = groups.find(({ number }) => number === view.groupNumber) ?? first;
  const statements = useMemo(() => statementsOf(waveform.annotations), [waveform]);
  const measurements = useMemo(() => measurementsOf(waveform.annotations), [waveform]);
  const change = (changed: Partial<View>): void => {
    const other = groups.find(({ number }) => number === changed.groupNumber);
    setView((before) =>
      other
        ? { ...firstView(other, isNarrow), mmPerS: before.mmPerS, gain: before.gain, ...changed }
        : { ...before, ...changed },
    );
  };
  return (
    <div className={classes.view}>
      <WaveformBar {...{ displaySet, waveform, groups, group, view, isNarrow }} onChange={change} />
      {(statements.length > 0 || measurements.length > 0) && (
        <div className={classes.summary} role="note" aria-label={t('waveform.stated')} tabIndex={0}>
          {statements.length > 0 && <p>{statements.join(' · ')}</p>}
          {measurements.length > 0 && (
            <dl>
              {measurements.map(({ name, value }, at) => (
                <div key={`${name}${at}`}>
                  <dt>{name}</dt> <dd>{value}</dd>
                </div>
              ))}
            </dl>
          )}
        </div>
      )}
      {waveform.isCut && <p className={classes.cut}>{t('waveform.cut')}</p>}
      <Paper
        key={group.number}
        {...{ id, waveform, group, view }}
        instance={displaySet.representative}
        name={displaySet.description || displaySet.modality}
        onChange={change}
      />
    </div>
  );
}
