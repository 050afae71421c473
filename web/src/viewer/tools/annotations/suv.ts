/** Standardised uptake values by body weight, from the attributes of the PET series (PS3.3 C.8.9.1, C.8.9.2). */
import { items, number, text } from '../../data/dicomJson';
import { type Frame, frameNumberOf, frameText, lookup } from '../../data/frames';

const DAY_S = 86_400;

/** Seconds of day of a DICOM time; null when there is none. */
export function secondsOfDay(time: string): number | null {
  const found = /^(\d{2})(\d{2})?(\d{2}(?:\.\d+)?)?/.exec(time);
  if (!found) return null;
  return Number(found[1]) * 3600 + Number(found[2] ?? 0) * 60 + Number(found[3] ?? 0);
}

/** Seconds since 1970 of a DICOM date and time, both local. */
function moment(date: string, time: string): number | null {
  const seconds = secondsOfDay(time);
  const found = /^(\d{4})(\d{2})(\d{2})/.exec(date);
  if (seconds === null || !found) return null;
  return Date.UTC(Number(found[1]), Number(found[2]) - 1, Number(found[3])) / 1000 + seconds;
}

/** The factor from Bq/ml to g/ml, and its unit; values stay Bq/ml where something needed is missing. */
export function suvFactor(frame: Frame): { unit: string; factor: number } {
  const { dataset } = frame.instance;
  const units = frameText(frame, '00541001');
  if (units === 'GML') return { unit: 'SUVbw', factor: 1 };
  if (units !== 'BQML') return { unit: units, factor: 1 };
  const plain = { unit: 'Bq/ml', factor: 1 };
  const [drug] = items(lookup(frame, '00540016'), '00540016');
  const weightKg = number(dataset, '00101030');
  const doseBq = number(drug, '00181074');
  const halfLifeS = number(drug, '00181075');
  if (!weightKg || !doseBq || !halfLifeS) return plain;
  const correction = text(dataset, '00541102');
  // Corrected to the injection already: nothing has decayed since.
  if (correction === 'ADMIN') return { unit: 'SUVbw', factor: (weightKg * 1000) / doseBq };
  if (correction !== 'START') return plain;
  const seriesDate = text(dataset, '00080021');
  const injectedAt = text(drug, '00181078');
  const injected = injectedAt
    ? moment(injectedAt.slice(0, 8), injectedAt.slice(8))
    : moment(seriesDate, text(drug, '00181072'));
  // Series Time is that of the correction, unless it was rewritten after the acquisition began.
  const series = moment(seriesDate, text(dataset, '00080031'));
  const acquired = moment(text(dataset, '00080022'), text(dataset, '00080032'));
  if (injected === null || series === null) return plain;
  let started = series;
  if (acquired !== null && series > acquired) {
    const reference = frameNumberOf(frame, '00541300');
    started = acquired - (reference ?? 0) / 1000;
  }
  // A time without a date may lie on the day before.
  const elapsed = started - injected < 0 && !injectedAt ? started - injected + DAY_S : started - injected;
  if (elapsed < 0 || elapsed > DAY_S) return plain;
  const decayed = doseBq * 2 ** (-elapsed / halfLifeS);
  return { unit: 'SUVbw', factor: (weightKg * 1000) / decayed };
}
