import { expect, test } from 'vitest';
import { hungMammogram } from './mammography';
import { edgeLetters } from './orientation';
import type { Plane } from './frames';

const UNPLACED: Plane = {
  position: null,
  rowDirection: null,
  columnDirection: null,
  rowSpacing: 0.1,
  columnSpacing: 0.1,
  spacingSource: 'detector',
};

const lettersOf = (laterality: string, patientOrientation: string[]) =>
  edgeLetters(UNPLACED, patientOrientation, hungMammogram(laterality, patientOrientation));

test.each([
  ['P', 'L'],
  ['A', 'L'],
  ['P', 'R'],
  ['A', 'R'],
])(
  'a right craniocaudal view read out %s\\%s has its chest wall right and its outer side up',
  (along, down) => {
    expect(lettersOf('R', [along, down])).toEqual({ left: 'A', right: 'P', top: 'R', bottom: 'L' });
  },
);

test.each([
  ['P', 'F'],
  ['A', 'F'],
  ['P', 'H'],
  ['A', 'H'],
])('a left oblique view read out %s\\%s has its chest wall left and the head up', (along, down) => {
  expect(lettersOf('L', [along, down])).toEqual({ left: 'P', right: 'A', top: 'H', bottom: 'F' });
});

test('an image that does not say its laterality stays as it is', () => {
  expect(hungMammogram('', ['A', 'R'])).toEqual([1, 0, 0, 1]);
});
