/**
 * Standardised uptake values of PET images: per body weight, lean body mass or body surface.
 *
 * From activity (BQML) as the QIBA profile computes them: corrected for decay to the start of the series or to the time
 * of administration. Images in GML hold them already; Philips' CNTS carry a factor of their own. What is missing is
 * said: a wrong SUV is worse than none.
 */
import { items, number, text, texts, type DicomJson } from './dicomJson';
import type { Frame } from './frames';

export type SuvKind = 'bw' | 'lbm' | 'bsa';

export type SuvGap =
  'notPet' | 'units' | 'notCorrected' | 'weight' | 'height' | 'sex' | 'dose' | 'halfLife' | 'times' | 'decay';

export type SuvFactor = { kind: 'factor'; factor: number } | { kind: 'missing'; gap: SuvGap };

const missing = (gap: SuvGap): SuvFactor => ({ kind: 'missing', gap });

/** Seconds since an arbitrary day, from DA and TM, or from DT; null when they say nothing. */
function secondsOf(date: string, time: string): number | null {
  const day = /^(\d{4})(\d{2})(\d{2})/.exec(date);
  const clock = /^(\d{2})(\d{2})(\d{2})(\.\d+)?/.exec(time);
  if (!day || !clock) return null;
  const midnight = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3])) / 1000;
  return (
    midnight + Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3]) + Number(clock[4] ?? 0)
  );
}

function administeredAt(dataset: DicomJson, dose: DicomJson): number | null {
  const stated = text(dose, '00181078');
  if (stated) return secondsOf(stated.slice(0, 8), stated.slice(8));
  const date = text(dataset, '00080021');
  const at = secondsOf(date, text(dose, '00181072'));
  const series = secondsOf(date, text(dataset, '00080031'));
  // Given before midnight, imaged after it.
  return at !== null && series !== null && at > series ? at - 86_400 : at;
}

/** When the activity is meant to be of: start of the series, unless its first acquisition was earlier. */
function imagedAt(dataset: DicomJson): number | null {
  const series = secondsOf(text(dataset, '00080021'), text(dataset, '00080031'));
  const acquisition = secondsOf(text(dataset, '00080022'), text(dataset, '00080032'));
  // A series time after the acquisition is that of a later processing (QIBA, RSNA 2012).
  if (series !== null && acquisition !== null && series > acquisition) return acquisition;
  return series ?? acquisition;
}

/** Lean body mass in kg after Janmahasatian, which SUV lbm is defined by today (PS3.16 DCM 126410). */
function leanMass(weightKg: number, heightM: number, sex: string): number {
  const index = weightKg / heightM ** 2;
  return sex === 'M' ? (9270 * weightKg) / (6680 + 216 * index) : (9270 * weightKg) / (8780 + 244 * index);
}

/** Body surface in m2 after Du Bois. */
const bodySurface = (weightKg: number, heightM: number): number =>
  0.007184 * weightKg ** 0.425 * (heightM * 100) ** 0.725;

/** What an SUV per body weight is multiplied with to be one of another kind. */
function fromBodyWeight(dataset: DicomJson, kind: SuvKind): SuvFactor {
  if (kind === 'bw') return { kind: 'factor', factor: 1 };
  const weight = number(dataset, '00101030');
  const height = number(dataset, '00101020');
  if (weight === null || weight <= 0) return missing('weight');
  if (height === null || height <= 0) return missing('height');
  if (kind === 'bsa') return { kind: 'factor', factor: (bodySurface(weight, height) * 10) / weight };
  const sex = text(dataset, '00100040');
  if (sex !== 'M' && sex !== 'F') return missing('sex');
  return { kind: 'factor', factor: leanMass(weight, height, sex) / weight };
}

function bodyWeightFactor(dataset: DicomJson): SuvFactor {
  const units = text(dataset, '00541001');
  if (units === 'GML') {
    const type = text(dataset, '00541006');
    return type === '' || type === 'BW' ? { kind: 'factor', factor: 1 } : missing('units');
  }
  const philips = number(dataset, '70531000');
  if (units === 'CNTS' && philips !== null && philips > 0) return { kind: 'factor', factor: philips };
  if (units !== 'BQML') return missing('units');
  const corrections = texts(dataset, '00280051');
  if (!corrections.includes('ATTN') || !corrections.includes('DECY')) return missing('notCorrected');
  const weight = number(dataset, '00101030');
  if (weight === null || weight <= 0) return missing('weight');
  const [dose] = items(dataset, '00540016');
  const total = number(dose, '00181074');
  if (!dose || total === null || total <= 0) return missing('dose');
  const decayed = decayedDose(dataset, dose, total);
  return typeof decayed === 'number'
    ? { kind: 'factor', factor: (weight * 1000) / decayed }
    : missing(decayed);
}

/** The dose in Bq at the time that the activity of the image is meant to be of. */
function decayedDose(dataset: DicomJson, dose: DicomJson, total: number): number | SuvGap {
  const correction = text(dataset, '00541102');
  if (correction === 'ADMIN') return total;
  if (correction !== 'START') return 'decay';
  const halfLife = number(dose, '00181075');
  if (halfLife === null || halfLife <= 0) return 'halfLife';
  const given = administeredAt(dataset, dose);
  const imaged = imagedAt(dataset);
  if (given === null || imaged === null || imaged < given) return 'times';
  return total * 2 ** (-(imaged - given) / halfLife);
}

/** What a modality value is multiplied with to be an SUV of this kind. */
export function suvFactor(frame: Frame, kind: SuvKind): SuvFactor {
  const { dataset, modality } = frame.instance;
  if (modality !== 'PT') return missing('notPet');
  const body = bodyWeightFactor(dataset);
  const other = fromBodyWeight(dataset, kind);
  if (body.kind === 'missing') return body;
  return other.kind === 'missing' ? other : { kind: 'factor', factor: body.factor * other.factor };
}
