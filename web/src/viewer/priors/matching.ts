/** Which series of a prior answers the one that is shown, and whether two studies are of one patient. Pure. */
import type { SeriesSummary } from '../data/dicomweb';
import type { PatientAndStudy } from '../data/frames';
import { mayHoldImages } from '../data/sopClasses';

const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);

/** How many of the words of two descriptions are the same: 0 to 1. */
export function likeness(one: string, other: string): number {
  const [first, second] = [wordsOf(one), wordsOf(other)];
  const all = new Set([...first, ...second]);
  if (all.size === 0) return 0;
  return [...first].filter((word) => second.has(word)).length / all.size;
}

interface Wanted {
  modality: string;
  description: string;
  count: number;
}

/** The series of a prior in the order in which they answer what is shown. Only those that may hold images. */
export function answering(wanted: Wanted | null, series: readonly SeriesSummary[]): SeriesSummary[] {
  const scoreOf = ({ modality, description, numberOfInstances }: SeriesSummary): number => {
    if (!wanted) return 0;
    const size = Math.max(1, numberOfInstances ?? 1);
    const near = Math.min(size, wanted.count) / Math.max(size, wanted.count);
    // What was done counts before how it was named, and that before how long it is: a scout is no answer to a stack.
    return (modality === wanted.modality ? 4 : 0) + 2 * likeness(description, wanted.description) + near;
  };
  return series
    .filter(({ modality }) => mayHoldImages(modality))
    .map((summary) => ({ summary, score: scoreOf(summary) }))
    .sort((a, b) => b.score - a.score)
    .map(({ summary }) => summary);
}

/**
 * Whether images of both may stand side by side. The id must be there and the same, and what else both say of the person
 * may not differ: an id that two hospitals gave to two people is not enough.
 */
export function isSamePatient(one: PatientAndStudy, other: PatientAndStudy): boolean {
  if (one.patientId === '' || one.patientId !== other.patientId) return false;
  const differs = (a: string, b: string): boolean => a !== '' && b !== '' && a !== b;
  return !differs(one.patientBirthDate, other.patientBirthDate) && !differs(one.patientSex, other.patientSex);
}

/** The edge that a patient's viewer has in every window: the same for one, rarely for two. Degrees of hue. */
export function hueOf(patientId: string, birthDate: string): number {
  let hash = 2_166_136_261;
  for (const char of `${patientId}\n${birthDate}`) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  }
  return hash % 360;
}
