import type { AuditFilter } from '@/api/operation';

export interface AuditForm {
  actor: string;
  action: string | null;
  studyInstanceUid: string;
  /** Two days as `2025-03-01`, or none. */
  days: [string | null, string | null];
}

export const EMPTY_FORM: AuditForm = { actor: '', action: null, studyInstanceUid: '', days: [null, null] };

/** The moment at which a day of the reader's calendar begins, `later` days on. */
function startOf(day: string, later = 0): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}

/** Whole days: from the first's beginning to the last's end. */
export function filterOfForm({ actor, action, studyInstanceUid, days }: AuditForm): AuditFilter {
  const [first, last] = days;
  return {
    actor: actor.trim() || undefined,
    action: action ?? undefined,
    studyInstanceUid: studyInstanceUid.trim() || undefined,
    from: first ? startOf(first) : undefined,
    to: first ? startOf(last ?? first, 1) : undefined,
  };
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fieldsText(fields: Fields): string[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key.replaceAll('_', ' ')}: ${valueText(value)}`);
}

/** What changed: `role: clinician → radiologist`. */
function changesText(before: Fields, after: Fields): string[] {
  const text = (value: unknown) =>
    value === undefined || value === null || value === '' ? '–' : valueText(value);
  return Object.keys({ ...before, ...after })
    .filter((key) => text(before[key]) !== text(after[key]))
    .map((key) => `${key.replaceAll('_', ' ')}: ${text(before[key])} → ${text(after[key])}`);
}

/** What the server notes as details, JSON or words, for reading: `modality: CT, limit: 100`. */
export function detailText(detail: string | null): string {
  if (!detail) return '';
  let value: unknown;
  try {
    value = JSON.parse(detail);
  } catch {
    return detail;
  }
  if (!isFields(value)) return detail;
  const { before, after, ...others } = value;
  const told =
    isFields(before) && isFields(after)
      ? changesText(before, after)
      : [before, after].filter(isFields).flatMap((fields) => fieldsText(fields));
  return [...told, ...fieldsText(others)].join(', ');
}
