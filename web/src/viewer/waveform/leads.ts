/** Which lead of an ECG a channel is, and in which unit it is drawn. */
import type { components } from '@/api/schema';

export type Waveform = components['schemas']['Waveform'];
export type WaveformGroup = components['schemas']['WaveformGroup'];
export type WaveformChannel = components['schemas']['WaveformChannel'];
export type WaveformAnnotation = components['schemas']['WaveformAnnotation'];

/** The twelve leads in the order of the usual sheets. */
export const LEADS = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const;
export type Lead = (typeof LEADS)[number];

/** The last part of the codes of CID 3001, of MDC (2:n) and SCP-ECG (5.6.3-9-n) alike. */
const BY_NUMBER: Record<string, Lead> = {
  1: 'I',
  2: 'II',
  3: 'V1',
  4: 'V2',
  5: 'V3',
  6: 'V4',
  7: 'V5',
  8: 'V6',
  61: 'III',
  62: 'aVR',
  63: 'aVL',
  64: 'aVF',
};
const MDC = /^2:(\d+)$/;
const SCP_ECG = /^5\.6\.3-9-(\d+)$/;
const IN_WORDS = /(?:^|[\s,(])(aVR|aVL|aVF|V[1-6]|III|II|I)(?:$|[\s,)])/i;

const inWords = (words: string): Lead | null => {
  const found = IN_WORDS.exec(words)?.[1]?.toUpperCase();
  return LEADS.find((lead) => lead.toUpperCase() === found) ?? null;
};

/** By its code, else by what it is called; null when it is none of the twelve. */
export function leadOf({ source, label }: WaveformChannel): Lead | null {
  if (source) {
    const pattern = source.scheme === 'MDC' ? MDC : source.scheme === 'SCPECG' ? SCP_ECG : null;
    const number = pattern?.exec(source.value)?.[1];
    if (number) return BY_NUMBER[number] ?? null;
    const named = inWords(source.meaning);
    if (named) return named;
  }
  return inWords(label);
}

export const nameOf = (channel: WaveformChannel): string =>
  leadOf(channel) ?? (channel.label || channel.source?.meaning || String(channel.number));

const MILLIVOLTS: Record<string, number> = { V: 1000, mV: 1, uV: 1e-3, µV: 1e-3, nV: 1e-6 };

/** How many mV one unit of a channel is; null when it measures no voltage. */
export const millivoltsOf = ({ unit }: WaveformChannel): number | null =>
  unit ? (MILLIVOLTS[unit.value] ?? null) : null;

/** UCUM writes mm[Hg]; people read mmHg. */
export const unitOf = (channel: WaveformChannel): string =>
  millivoltsOf(channel) !== null ? 'mV' : (channel.unit?.value ?? '').replaceAll(/[[\]{}]/g, '');
