import { expect, test } from 'vitest';
import type { DicomJson } from '../data/dicomJson';
import { framesOf, readInstance } from '../data/frames';
import { captionsOf, fileNameOf, pixelsMayName } from './captions';

const DATASET: DicomJson = {
  '00080020': { vr: 'DA', Value: ['20240229'] },
  '00080050': { vr: 'SH', Value: ['ACC-7'] },
  '00080060': { vr: 'CS', Value: ['US'] },
  '0008103E': { vr: 'LO', Value: ['Liver of Smith'] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Smith^Anna', Ideographic: '史^密' }] },
  '00100020': { vr: 'LO', Value: ['A/1 23'] },
  '00100030': { vr: 'DA', Value: ['19700102'] },
  '00200011': { vr: 'IS', Value: [4] },
  '00200013': { vr: 'IS', Value: [12] },
  '00280010': { vr: 'US', Value: [4] },
  '00280011': { vr: 'US', Value: [4] },
};
const frameOf = (extra: DicomJson = {}) => {
  const [frame] = framesOf(readInstance({ ...DATASET, ...extra }), '');
  if (!frame) throw new Error('no frame');
  return frame;
};
const PLACE = { position: '3 / 9', window: 'W 400  L 40', warning: 'Not for diagnosis' };

test('a picture of a patient says whose it is, and of when', () => {
  const { topLeft, topRight, bottomLeft } = captionsOf(frameOf(), 'patient', PLACE, 'en-GB');
  expect(topLeft[0]).toContain('Smith');
  expect(topLeft[0]).toContain('史');
  expect(topLeft[1]).toBe('A/1 23');
  expect(topLeft[2]).toContain('1970');
  expect(topRight.join()).toContain('2024');
  expect(topRight).toContain('ACC-7');
  expect(bottomLeft).toEqual(['Liver of Smith', '3 / 9', 'W 400  L 40', 'Not for diagnosis']);
});

test('a picture without identity has nothing that a person or a modality wrote down', () => {
  expect(captionsOf(frameOf(), 'none', PLACE, 'en-GB')).toEqual({
    topLeft: [],
    topRight: [],
    bottomLeft: ['3 / 9', 'W 400  L 40', 'Not for diagnosis'],
  });
  expect(fileNameOf(frameOf(), 'none', 'png')).toBe('image-US-12.png');
  expect(fileNameOf(frameOf(), 'patient', 'png')).toBe('A-1-23-20240229-US-4-12.png');
});

test('pixels that name the patient are known by their attribute, or feared by their modality', () => {
  const stated = (value: string): DicomJson => ({ '00280301': { vr: 'CS', Value: [value] } });
  expect(pixelsMayName(frameOf(stated('YES')))).toBe('yes');
  expect(pixelsMayName(frameOf(stated('NO')))).toBe('no');
  expect(pixelsMayName(frameOf())).toBe('perhaps');
  expect(pixelsMayName(frameOf({ '00080060': { vr: 'CS', Value: ['CT'] } }))).toBe('no');
});
