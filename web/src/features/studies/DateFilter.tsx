import { Button, Group, Stack } from '@mantine/core';
import { DatePicker } from '@mantine/dates';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type CalendarDate, formatDicomDate, parseDicomDate, toDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import classes from './DateFilter.module.css';
import { DATE_PRESETS, isDatePreset, parseRange, writeRange } from './search';

/** Mantine writes days as `2025-03-01`. */
const toPicker = (date: CalendarDate | undefined): string | null =>
  date ? toDicomDate(date).replace(/(....)(..)(..)/, '$1-$2-$3') : null;
const fromPicker = (text: string | null): CalendarDate | undefined =>
  parseDicomDate(text?.replaceAll('-', '')) ?? undefined;

/** What a date filter says, short enough for a button. */
export function useDateText(): (value: string | undefined) => string {
  const { t } = useTranslation();
  const locale = useLocale();
  return (value) => {
    if (value === undefined) return t('studies.date.any');
    if (isDatePreset(value)) return t(`studies.date.presets.${value}`);
    const range = parseRange(value);
    const from = range?.from && formatDicomDate(toDicomDate(range.from), locale);
    const to = range?.to && formatDicomDate(toDicomDate(range.to), locale);
    if (from && to) return from === to ? from : `${from} – ${to}`;
    return from ? t('studies.date.from', { date: from }) : t('studies.date.until', { date: to ?? '' });
  };
}

interface Props {
  value: string | undefined;
  /** `isFinal` when nothing more is to be chosen. */
  onChange: (value: string | undefined, isFinal: boolean) => void;
  isStacked?: boolean;
}

export function DateFilter({ value, onChange, isStacked }: Props) {
  const { t } = useTranslation();
  const locale = useLocale();
  const range = parseRange(value);
  const [days, setDays] = useState<[string | null, string | null]>([
    toPicker(range?.from),
    toPicker(range?.to),
  ]);
  const presets = [undefined, ...DATE_PRESETS];
  const buttons = presets.map((preset) => (
    <Button
      key={preset ?? 'any'}
      size="compact-sm"
      variant={value === preset ? 'light' : 'subtle'}
      color={value === preset ? undefined : 'gray'}
      justify="flex-start"
      aria-pressed={value === preset}
      onClick={() => {
        setDays([null, null]);
        onChange(preset, true);
      }}
    >
      {preset ? t(`studies.date.presets.${preset}`) : t('studies.date.any')}
    </Button>
  ));
  return (
    <div className={classes.filter} data-stacked={isStacked}>
      {isStacked ? <Group gap={6}>{buttons}</Group> : <Stack gap={2}>{buttons}</Stack>}
      <DatePicker
        type="range"
        allowSingleDateInRange
        hideOutsideDates
        weekendDays={[]}
        locale={locale}
        size="sm"
        value={days}
        onChange={(next) => {
          setDays(next);
          const [from, to] = next.map(fromPicker);
          if (from && to) onChange(writeRange({ from, to }), true);
        }}
        ariaLabels={{
          nextMonth: t('studies.date.next'),
          previousMonth: t('studies.date.previous'),
        }}
      />
    </div>
  );
}
