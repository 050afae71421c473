/** What is looked for, as it stands in the address bar: every search can be bookmarked and sent to a colleague. */
import type { StudiesFilter } from '@/api/studies';
import { addDays, type CalendarDate, parseDicomDate, toDicomDate } from '@/lib/dates';

export const DATE_PRESETS = ['today', 'yesterday', '3d', '7d', '30d', '365d'] as const;
export type DatePreset = (typeof DATE_PRESETS)[number];

export const SORT_FIELDS = [
  'studyDate',
  'patientName',
  'patientId',
  'studyDescription',
  'accessionNumber',
  'updatedAt',
] as const;
export type SortField = (typeof SORT_FIELDS)[number];
export type Sort = SortField | `-${SortField}`;

export const DEFAULT_SORT: Sort = '-studyDate';

export interface StudiesSearch {
  q?: string;
  name?: string;
  id?: string;
  accession?: string;
  description?: string;
  /** A preset, or days as `20250101-20250131`, open ended as `20250101-` or `-20250131`. */
  date?: string;
  modality?: string[];
  sort?: Sort;
}

/** The longest text the address bar may put into a search. */
const TEXT_MAX = 200;

function text(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  return String(value).slice(0, TEXT_MAX) || undefined;
}

export function isDatePreset(value: string | undefined): value is DatePreset {
  return DATE_PRESETS.some((preset) => preset === value);
}

export interface DateRange {
  from?: CalendarDate;
  to?: CalendarDate;
}

/** Read `20250101-20250131`; null when it is no range. */
export function parseRange(value: string | undefined): DateRange | null {
  const match = /^(\d{8})?-(\d{8})?$/.exec(value ?? '');
  if (!match || (!match[1] && !match[2])) return null;
  const from = parseDicomDate(match[1]) ?? undefined;
  const to = parseDicomDate(match[2]) ?? undefined;
  if ((match[1] && !from) || (match[2] && !to)) return null;
  return { from, to };
}

export function writeRange({ from, to }: DateRange): string | undefined {
  if (!from && !to) return undefined;
  return `${from ? toDicomDate(from) : ''}-${to ? toDicomDate(to) : ''}`;
}

/** The days that a preset means today. */
export function daysOfPreset(preset: DatePreset, today: CalendarDate): DateRange {
  if (preset === 'today') return { from: today, to: today };
  if (preset === 'yesterday') return { from: addDays(today, -1), to: addDays(today, -1) };
  // `7d` is today and the six days before.
  return { from: addDays(today, 1 - Number.parseInt(preset, 10)), to: today };
}

function sort(value: unknown): Sort | undefined {
  const known = SORT_FIELDS.flatMap((field): Sort[] => [field, `-${field}`]);
  const found = known.find((one) => one === value);
  return found === DEFAULT_SORT ? undefined : found;
}

function modalities(value: unknown): string[] | undefined {
  const list = (Array.isArray(value) ? value : [value])
    .filter((one): one is string => typeof one === 'string')
    .map((one) => one.toUpperCase())
    .filter((one) => /^[A-Z0-9_]{1,16}$/.test(one));
  const unique = [...new Set(list)].sort();
  return unique.length > 0 ? unique : undefined;
}

/**
 * Take from the address bar what makes sense and drop the rest, so that no bookmark can break the page. Every key is in
 * the answer, if only as undefined: the router lays it over what the address holds, and nonsense must not shine through.
 */
export function parseStudiesSearch(raw: Record<string, unknown>): StudiesSearch {
  const date = text(raw.date);
  return {
    q: text(raw.q),
    name: text(raw.name),
    id: text(raw.id),
    accession: text(raw.accession),
    description: text(raw.description),
    date: isDatePreset(date) || parseRange(date) ? date : undefined,
    modality: modalities(raw.modality),
    sort: sort(raw.sort),
  };
}

/** The same in the words of the API. */
export function filterOf(search: StudiesSearch, today: CalendarDate): StudiesFilter {
  const range = isDatePreset(search.date) ? daysOfPreset(search.date, today) : parseRange(search.date);
  return {
    q: search.q?.trim() || undefined,
    patientName: search.name?.trim() || undefined,
    patientId: search.id?.trim() || undefined,
    accessionNumber: search.accession?.trim() || undefined,
    description: search.description?.trim() || undefined,
    studyDate: range ? writeRange(range) : undefined,
    modality: search.modality,
    sort: search.sort ?? DEFAULT_SORT,
  };
}

/** How many things besides the order narrow the list. */
export function countFilters(search: StudiesSearch): number {
  const { sort: _, ...filters } = search;
  return Object.values<unknown>(filters).filter((value) => value !== undefined).length;
}

export function sortFieldOf(order: Sort): { field: SortField; descending: boolean } {
  const descending = order.startsWith('-');
  return { field: (descending ? order.slice(1) : order) as SortField, descending };
}

const TEXT_FIELDS: readonly SortField[] = ['patientName', 'patientId', 'studyDescription', 'accessionNumber'];

/** A click on a heading: first the natural direction (texts up, dates and sizes down), then the other. */
export function nextSort(current: Sort, field: SortField): Sort {
  const { field: now, descending } = sortFieldOf(current);
  if (now === field) return descending ? field : `-${field}`;
  return TEXT_FIELDS.includes(field) ? field : `-${field}`;
}
