import { useElementSize } from '@mantine/hooks';
import { useQueries, type UseQueryResult } from '@tanstack/react-query';
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import { asFailure } from '../data/errors';
import type { Instance } from '../data/frames';
import { type Texts, useTexts } from '../i18n';
import type { PaneId } from '../state/layout';
import { SCREEN_SCALE_ASSUMED, screenScale } from '../state/screenScale';
import { useSpace } from '../state/space';
import { FailureText } from '../ui/FailureText';
import { type Caliper, type CaliperEnd, measured, moved } from './calipers';
import { leadOf, type Waveform, type WaveformGroup } from './leads';
import { paint } from './paint';
import { type Loaded, stretchLength, stretchQuery } from './samples';
import {
  arrange,
  type Cell,
  cellAt,
  GAINS,
  type Scale,
  type Sheet,
  SPEED_MAX,
  SPEED_MIN,
  timeAt,
  type Trace,
  valueAt,
} from './sheet';
import { shownWaveforms } from './shown';
import { pointsOf } from './summary';
import { tracesOf } from './traces';
import type { View } from './WaveformView';
import classes from './WaveformView.module.css';

interface PaperProps {
  id: PaneId;
  waveform: Waveform;
  group: WaveformGroup;
  view: View;
  instance: Instance;
  name: string;
  onChange: (change: Partial<View>) => void;
}

const KEY_SCROLL_S = 0.5;
const KEY_ZOOM = 1.25;
const ZOOM_PER_PIXEL = 1.0015;
const KEY_MS = 2;
const KEY_VALUE = 0.01;
const COARSE = 10;
const CALIPER_S = 0.2;

function combined(results: UseQueryResult<Float32Array[]>[]) {
  return {
    stretches: results.map(({ data }) => data),
    error: results.find(({ error }) => error)?.error ?? null,
    isWhole: results.every(({ data }) => data !== undefined),
  };
}

/** The samples of the time that the sheet covers, as they come. */
function useLoaded(
  { waveform, group, instance }: PaperProps,
  fromS: number,
  toS: number,
): { loaded: Loaded; error: Error | null; isWhole: boolean } {
  const length = stretchLength(group, waveform.samplesMax);
  const last = Math.floor((group.numberOfSamples - 1) / length);
  const at = (timeS: number): number =>
    Math.min(last, Math.max(0, Math.floor((timeS * group.samplingFrequencyHz) / length)));
  const first = at(fromS);
  const numbers = Array.from({ length: at(toS) - first + 1 }, (_, number) => first + number);
  const { stretches, error, isWhole } = useQueries({
    queries: numbers.map((number) => stretchQuery(instance, group, length, number)),
    combine: combined,
  });
  const loaded = useMemo(
    () => ({
      length,
      stretches: new Map(
        stretches.flatMap((each, number) => (each ? [[first + number, each] as const] : [])),
      ),
    }),
    [length, first, stretches],
  );
  return { loaded, error, isWhole };
}

/** What the caliper says, for eyes and ears. */
function caliperText(t: Texts, caliper: Caliper | null, traces: readonly Trace[]): string {
  const trace = caliper && traces[caliper.channel];
  if (!caliper || !trace) return '';
  const { ms, bpm, difference } = measured(caliper);
  return t(bpm === null ? 'waveform.measuredFlat' : 'waveform.measured', {
    lead: trace.name,
    ms: ms.toFixed(0),
    bpm: bpm === null ? '' : bpm.toFixed(0),
    value: difference.toFixed(2),
    unit: trace.unit,
  });
}

/** The paper: the traces, the time below them, and the calipers on them. */
export function Paper(props: PaperProps) {
  const { id, waveform, group, view, name, onChange } = props;
  const t = useTexts();
  const { ref: box, width, height } = useElementSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const isCalibrating = useSpace((state) => state.isCalibrating);
  const [caliper, setCaliper] = useState<Caliper | null>(null);
  /** Where the caliper that is being drawn began: its other end is read by the same cell. */
  const measuredIn = useRef<Cell | null>(null);
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const durationS = group.numberOfSamples / group.samplingFrequencyHz;
  const leads = useMemo(() => group.channels.map(leadOf), [group]);
  const { arrangement, chosen, startS, mmPerS, gain, hasPoints, hasCalipers } = view;
  const { scale, sheet } = useMemo((): { scale: Scale; sheet: Sheet } => {
    // Measured or not is asked anew when the reader has measured.
    const pxPerMm = (isCalibrating ? null : screenScale()) ?? SCREEN_SCALE_ASSUMED;
    const made = { pxPerMm, mmPerS };
    return {
      scale: made,
      sheet: arrange({ arrangement, leads, chosen, durationS, startS, width, height, scale: made }),
    };
  }, [arrangement, leads, chosen, durationS, startS, width, height, mmPerS, isCalibrating]);
  const fromS = sheet.cells[0]?.fromS ?? 0;
  const { loaded, error, isWhole } = useLoaded(props, fromS, fromS + sheet.pageS);
  const rowMm = (sheet.cells[0]?.height ?? 0) / scale.pxPerMm;
  const traces = useMemo(() => tracesOf(group, loaded, gain, rowMm), [group, loaded, gain, rowMm]);
  const points = useMemo(
    () => (hasPoints ? pointsOf(waveform.annotations, group) : []),
    [hasPoints, waveform, group],
  );

  useEffect(() => {
    const target = canvas.current;
    const context = target?.getContext('2d');
    if (!target || !context || sheet.width < 1 || sheet.height < 1) return undefined;
    const ratio = window.devicePixelRatio || 1;
    target.width = Math.round(sheet.width * ratio);
    target.height = Math.round(sheet.height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const font = getComputedStyle(target).fontFamily;
    paint(context, { sheet, scale, group, traces, loaded, points, caliper, font });
    shownWaveforms.set(id, { sheet, scale, traces, caliper, isWhole });
    return () => void shownWaveforms.delete(id);
  }, [id, sheet, scale, group, traces, loaded, points, caliper, isWhole]);

  const latestS = Math.max(0, durationS - sheet.pageS);
  const scrollTo = (timeS: number): void => onChange({ startS: Math.min(latestS, Math.max(0, timeS)) });
  const zoom = (factor: number): void =>
    onChange({ mmPerS: Math.min(SPEED_MAX, Math.max(SPEED_MIN, mmPerS * factor)) });

  const endIn = (cell: Cell, event: PointerEvent): CaliperEnd => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const trace = traces[cell.channel];
    return {
      timeS: timeAt(cell, event.clientX - left, scale),
      value: trace ? valueAt(cell, event.clientY - top, trace, scale) : 0,
    };
  };

  const handleDown = (event: PointerEvent<HTMLCanvasElement>): void => {
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (!hasCalipers || pointers.current.size > 1) return;
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const cell = cellAt(sheet, event.clientX - left, event.clientY - top) ?? null;
    measuredIn.current = cell;
    if (!cell) return;
    const end = endIn(cell, event);
    setCaliper({ channel: cell.channel, from: end, to: end, active: 'to' });
  };

  const handleMove = (event: PointerEvent<HTMLCanvasElement>): void => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers.current].find(([pointer]) => pointer !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, now);
    if (other) {
      const [was, is] = [before, now].map((at) => Math.abs(at.x - other.x));
      if (was && is) zoom(is / was);
    } else if (hasCalipers) {
      const cell = measuredIn.current;
      const to = cell && endIn(cell, event);
      if (to) setCaliper((made) => made && { ...made, to, active: 'to' });
    } else {
      scrollTo(fromS - (now.x - before.x) / (scale.pxPerMm * mmPerS));
      canvas.current?.parentElement?.scrollBy(0, before.y - now.y);
    }
  };

  const putCaliper = (): void => {
    const [cell] = sheet.cells.filter(({ channel }) => channel === chosen);
    const at = cell ?? sheet.cells[0];
    if (!at) return;
    const middle = (at.fromS + Math.min(at.toS, durationS)) / 2;
    const value = traces[at.channel]?.centre ?? 0;
    setCaliper({
      channel: at.channel,
      from: { timeS: middle - CALIPER_S / 2, value },
      to: { timeS: middle + CALIPER_S / 2, value },
      active: 'to',
    });
  };

  const handleKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const coarse = event.shiftKey ? COARSE : 1;
    const stepS = (coarse * KEY_MS) / 1000;
    const unit = (caliper && traces[caliper.channel]?.unit) === 'mV' ? KEY_VALUE : rowMm / 1000;
    const move = (seconds: number, value: number) => () =>
      caliper && setCaliper(moved(caliper, seconds, value * unit * coarse));
    const scroll = (seconds: number) => () => scrollTo(fromS + seconds);
    const keys: Record<string, (() => void) | undefined> = {
      ArrowLeft: caliper ? move(-stepS, 0) : scroll(-KEY_SCROLL_S * coarse),
      ArrowRight: caliper ? move(stepS, 0) : scroll(KEY_SCROLL_S * coarse),
      ArrowUp: caliper ? move(0, 1) : undefined,
      ArrowDown: caliper ? move(0, -1) : undefined,
      PageUp: scroll(-sheet.pageS),
      PageDown: scroll(sheet.pageS),
      Home: () => scrollTo(0),
      End: () => scrollTo(latestS),
      '+': () => zoom(KEY_ZOOM),
      '-': () => zoom(1 / KEY_ZOOM),
      '0': () => onChange({ mmPerS: 25, gain: GAINS[1] }),
      Enter: putCaliper,
      ' ': caliper
        ? () => setCaliper({ ...caliper, active: caliper.active === 'from' ? 'to' : 'from' })
        : undefined,
      Delete: caliper ? () => setCaliper(null) : undefined,
      Escape: caliper ? () => setCaliper(null) : undefined,
    };
    const work = keys[event.key];
    if (!work) return;
    event.preventDefault();
    event.stopPropagation();
    work();
  };

  // React listens to wheels passively, so the page would be zoomed as well.
  const onWheel = useRef<(event: WheelEvent) => void>(() => undefined);
  useEffect(() => {
    onWheel.current = (event) => {
      if (event.ctrlKey) zoom(ZOOM_PER_PIXEL ** -event.deltaY);
      else {
        const isTall = sheet.height > height + 1 && !event.shiftKey && event.deltaX === 0;
        if (isTall) return;
        scrollTo(fromS + (event.deltaX || event.deltaY) / (scale.pxPerMm * mmPerS));
      }
      event.preventDefault();
    };
  });
  useEffect(() => {
    const target = canvas.current;
    const listen = (event: WheelEvent): void => onWheel.current(event);
    target?.addEventListener('wheel', listen, { passive: false });
    return () => target?.removeEventListener('wheel', listen);
  }, []);

  return (
    <>
      <div ref={box} className={classes.paper}>
        <canvas
          ref={canvas}
          className={classes.canvas}
          style={{ width: sheet.width, height: sheet.height }}
          data-waveform={id}
          data-calipers={hasCalipers || undefined}
          role="application"
          aria-label={t('waveform.paper', { name })}
          tabIndex={0}
          onKeyDown={handleKey}
          onPointerDown={handleDown}
          onPointerMove={handleMove}
          onPointerUp={(event) => pointers.current.delete(event.pointerId)}
          onPointerCancel={(event) => pointers.current.delete(event.pointerId)}
        />
        {error && <FailureText failure={asFailure(error)} onRetry={null} />}
      </div>
      <div className={classes.foot}>
        {latestS > 0 && (
          <input
            type="range"
            className={classes.time}
            aria-label={t('waveform.time')}
            aria-valuetext={`${fromS.toFixed(1)} s`}
            min={0}
            max={latestS}
            step={Math.min(0.1, latestS / 100)}
            value={fromS}
            onChange={(event) => scrollTo(Number(event.target.value))}
          />
        )}
        <span className={classes.position}>
          {t('waveform.position', {
            from: fromS.toFixed(1),
            to: Math.min(durationS, fromS + sheet.pageS).toFixed(1),
            all: durationS.toFixed(1),
          })}
        </span>
        <span role="status" className={classes.measured}>
          {caliperText(t, caliper, traces)}
        </span>
      </div>
    </>
  );
}
