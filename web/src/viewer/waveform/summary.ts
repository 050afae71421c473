/** What the object itself says of its trace: statements, measurements, points on it, filters. */
import type { WaveformAnnotation, WaveformGroup } from './leads';

export interface Measurement {
  name: string;
  value: string;
}

export interface PointMark {
  name: string;
  short: string;
  timeS: number;
}

/** What is measured without a place: PR, QRS, QT, axes. */
export const measurementsOf = (annotations: readonly WaveformAnnotation[]): Measurement[] =>
  annotations
    .filter(({ name, value, timesS }) => name && value !== null && timesS.length === 0)
    .map(({ name, value, unit }) => ({
      name: name?.meaning || name?.value || '',
      value: [value, unit?.value === 'deg' ? '°' : unit?.value === '1' ? '' : unit?.value]
        .filter((part) => part !== undefined && part !== '')
        .join(unit?.value === 'deg' ? '' : ' '),
    }));

/** Interpretations, as the device or a person wrote them. */
export const statementsOf = (annotations: readonly WaveformAnnotation[]): string[] =>
  annotations
    .filter(({ value, timesS }) => value === null && timesS.length === 0)
    .map(({ text, code, name }) => text || [name?.meaning, code?.meaning].filter(Boolean).join(': '))
    .filter(Boolean);

/** "P Onset" is P<, "QRS Offset" is QRS>: there is little room between two of them. */
const shortened = (name: string): string =>
  name
    .replace(/\s*onset$/i, '<')
    .replace(/\s*offset$/i, '>')
    .replace(/^fiducial point$/i, '•')
    .slice(0, 6);

/** Points in time on the traces of a group. */
export const pointsOf = (
  annotations: readonly WaveformAnnotation[],
  { number }: WaveformGroup,
): PointMark[] =>
  annotations
    .filter(({ channels }) => channels.some(([group]) => group === number))
    .flatMap(({ name, text, timesS }) => {
      const words = name?.meaning || text;
      return timesS.map((timeS) => ({ name: words, short: shortened(words), timeS }));
    });

export interface Filters {
  lowHz: number | null;
  highHz: number | null;
  notchHz: number | null;
}

/** The filters that were applied when it was recorded, each once; a notch at 0 Hz is none. */
export function filtersOf({ channels }: WaveformGroup): Filters[] {
  const found = channels.map(({ filterLowHz, filterHighHz, notchHz }): Filters => ({
    lowHz: filterLowHz,
    highHz: filterHighHz,
    notchHz: notchHz === 0 ? null : notchHz,
  }));
  return found.filter(
    (each, at) =>
      (each.lowHz !== null || each.highHz !== null || each.notchHz !== null) &&
      found.findIndex((other) => JSON.stringify(other) === JSON.stringify(each)) === at,
  );
}
