import { expect, test } from 'vitest';
import type { SeriesSummary } from '../data/dicomweb';
import type { PatientAndStudy } from '../data/frames';
import { answering, hueOf, isSamePatient } from './matching';

const series = (uid: string, modality: string, description: string, count: number): SeriesSummary => ({
  studyInstanceUid: '1',
  seriesInstanceUid: uid,
  seriesNumber: null,
  modality,
  description,
  numberOfInstances: count,
});

test('the series of the same modality and words answers, a scout does not', () => {
  const found = answering({ modality: 'CT', description: 'Thorax 1.0 B60f lung', count: 300 }, [
    series('scout', 'CT', 'Topogram', 1),
    series('soft', 'CT', 'Thorax 3.0 B30f', 120),
    series('lung', 'CT', 'Thorax 1.0 B60f lung', 280),
    series('report', 'SR', 'Thorax 1.0 B60f lung', 1),
    series('film', 'DX', 'Thorax', 2),
  ]);
  expect(found.map(({ seriesInstanceUid }) => seriesInstanceUid)).toEqual(['lung', 'soft', 'scout', 'film']);
});

const patient = (patientId: string, patientBirthDate: string, patientSex = 'F'): PatientAndStudy => ({
  patientName: { alphabetic: 'Doe^Jane', ideographic: '', phonetic: '' },
  patientId,
  patientBirthDate,
  patientSex,
  studyDate: '',
  studyTime: '',
  studyDescription: '',
  accessionNumber: '',
});

test('images of two patients do not stand side by side', () => {
  expect(isSamePatient(patient('P1', '19700203'), patient('P1', ''))).toBe(true);
  expect(isSamePatient(patient('P1', '19700203'), patient('P1', '19800203'))).toBe(false);
  expect(isSamePatient(patient('P1', '19700203'), patient('P1', '19700203', 'M'))).toBe(false);
  expect(isSamePatient(patient('P1', ''), patient('P2', ''))).toBe(false);
  expect(isSamePatient(patient('', ''), patient('', ''))).toBe(false);
});

test('a patient has one hue everywhere', () => {
  expect(hueOf('P1', '19700203')).toBe(hueOf('P1', '19700203'));
  const hues = new Set(Array.from({ length: 100 }, (_, index) => hueOf(`P${index}`, '')));
  expect(hues.size).toBeGreaterThan(70);
});
