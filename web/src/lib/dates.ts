/**
 * DICOM dates and times (PS3.5 6.2, DA and TM) for reading by people.
 *
 * A study's date and time are those on the wall of the scanner; they are never moved to the browser's zone.
 */

export interface CalendarDate {
  year: number;
  month: number;
  day: number;
}

export function parseDicomDate(text: string | null | undefined): CalendarDate | null {
  // `YYYY.MM.DD` is how ACR-NEMA wrote it; archives still hold some.
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text?.trim() ?? '');
  if (!match) return null;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  return { year, month, day };
}

export function toDicomDate({ year, month, day }: CalendarDate): string {
  return `${String(year).padStart(4, '0')}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`;
}

export function calendarDateOf(moment: Date): CalendarDate {
  return { year: moment.getFullYear(), month: moment.getMonth() + 1, day: moment.getDate() };
}

export function addDays(date: CalendarDate, days: number): CalendarDate {
  const moved = new Date(Date.UTC(date.year, date.month - 1, date.day + days));
  return { year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1, day: moved.getUTCDate() };
}

/** Whole days from `from` to `to`. */
export function daysBetween(from: CalendarDate, to: CalendarDate): number {
  const utc = (date: CalendarDate) => Date.UTC(date.year, date.month - 1, date.day);
  return Math.round((utc(to) - utc(from)) / 86_400_000);
}

/** `14:05` of `140531.25`; null when the value holds no hour and minute. */
export function formatDicomTime(text: string | null | undefined): string | null {
  const match = /^(\d{2}):?(\d{2})/.exec(text?.trim() ?? '');
  if (!match) return null;
  const [hour, minute] = [Number(match[1]), Number(match[2])];
  return hour < 24 && minute < 60 ? `${match[1] ?? ''}:${match[2] ?? ''}` : null;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  const known = formatters.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(locale, options);
  formatters.set(key, made);
  return made;
}

/** `24 Nov 2025`: the month in letters, so that nobody confuses day and month. Odd values are shown as they are. */
export function formatDicomDate(text: string | null | undefined, locale: string): string {
  const date = parseDicomDate(text);
  if (!date) return text?.trim() ?? '';
  const moment = new Date(Date.UTC(date.year, date.month - 1, date.day));
  // English with the day first: an American reader understands it, a European one is not misled.
  const written = locale.startsWith('en') ? 'en-GB' : locale;
  return formatter(written, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' }).format(
    moment,
  );
}

export type StudyDay =
  { kind: 'today' } | { kind: 'yesterday' } | { kind: 'date'; text: string } | { kind: 'none' };

export function describeStudyDay(
  text: string | null | undefined,
  locale: string,
  today: CalendarDate,
): StudyDay {
  const date = parseDicomDate(text);
  if (!date) return text?.trim() ? { kind: 'date', text: text.trim() } : { kind: 'none' };
  const days = daysBetween(date, today);
  if (days === 0) return { kind: 'today' };
  if (days === 1) return { kind: 'yesterday' };
  return { kind: 'date', text: formatDicomDate(text, locale) };
}

export type Age = { unit: 'years' | 'months' | 'days'; count: number };

/** Age on the day of the study: years from two years on, months from 60 days on, days before. */
export function ageAt(birthDate: string | null | undefined, onDate: CalendarDate | null): Age | null {
  const birth = parseDicomDate(birthDate);
  if (!birth || !onDate) return null;
  const days = daysBetween(birth, onDate);
  if (days < 0) return null;
  const months =
    (onDate.year - birth.year) * 12 + (onDate.month - birth.month) - (onDate.day < birth.day ? 1 : 0);
  if (months >= 24) return { unit: 'years', count: Math.floor(months / 12) };
  if (days >= 60) return { unit: 'months', count: months };
  return { unit: 'days', count: days };
}

/** A moment as the API writes it (`2025-03-01T12:00:00Z`), in the reader's own zone. */
export function formatMoment(moment: string, locale: string): string {
  const written = locale.startsWith('en') ? 'en-GB' : locale;
  return formatter(written, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(moment));
}

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** `3 minutes ago`, `in 2 hours`. */
export function formatAgo(moment: string, locale: string, now: number = Date.now()): string {
  const seconds = (Date.parse(moment) - now) / 1000;
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(Math.trunc(seconds), 'second');
}
