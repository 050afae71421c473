import { expect, test } from 'vitest';
import { detailText, EMPTY_FORM, filterOfForm } from './audit';

test('an empty form asks for everything', () => {
  expect(Object.values(filterOfForm(EMPTY_FORM)).every((value) => value === undefined)).toBe(true);
});

test('days are whole days of the reader', () => {
  const one = filterOfForm({ ...EMPTY_FORM, days: ['2025-03-01', null] });
  expect(new Date(one.from ?? '')).toEqual(new Date(2025, 2, 1));
  expect(new Date(one.to ?? '')).toEqual(new Date(2025, 2, 2));
  const several = filterOfForm({ ...EMPTY_FORM, days: ['2025-03-01', '2025-03-31'] });
  expect(new Date(several.to ?? '')).toEqual(new Date(2025, 3, 1));
});

test('blanks around what is typed do not count', () => {
  expect(filterOfForm({ ...EMPTY_FORM, actor: ' anna ', studyInstanceUid: ' ' })).toMatchObject({
    actor: 'anna',
    studyInstanceUid: undefined,
  });
});

test('a change is told as what was and what is', () => {
  expect(
    detailText(
      '{"before": {"role": "clinician", "is_active": true}, "after": {"role": "radiologist", "is_active": true}}',
    ),
  ).toBe('role: clinician → radiologist');
  expect(detailText('{"after": {"role": "clinician"}}')).toBe('role: clinician');
});

test('details are read as words', () => {
  expect(detailText('{"patient_name": "Doe*", "modalities": ["CT"], "q": null}')).toBe(
    'patient name: Doe*, modalities: CT',
  );
  expect(detailText('the peer is unknown')).toBe('the peer is unknown');
  expect(detailText('7')).toBe('7');
  expect(detailText(null)).toBe('');
});
