import { expect, test } from 'vitest';
import type { Picture } from './facts';
import { choosePictures, type SubjectWithPictures } from './matching';
import { ANYTHING, EMPTY } from './protocol';
import { type Arrangement, ruleOf, selectorOf, type Stood } from './remember';

const picture = (series: string, more: Partial<Picture> = {}): Picture => ({
  displaySetId: series,
  studyInstanceUid: series.split('.')[0] ?? '',
  seriesInstanceUid: series,
  sopInstanceUid: `${series}.1`,
  seriesNumber: Number(series.split('.')[1]),
  description: '',
  modality: 'CT',
  plane: 'axial',
  view: '',
  laterality: '',
  weighting: '',
  hasContrast: false,
  imageType: ['ORIGINAL', 'PRIMARY'],
  thickness: 5,
  isLocalizer: false,
  isSingle: false,
  ...more,
});

const study = (...pictures: Picture[]): SubjectWithPictures => ({
  modalities: ['CT'],
  regions: ['chest'],
  sides: [],
  procedures: [],
  patient: null,
  pictures,
});

const stood = (each: Picture | undefined, prior = 0): Stood => {
  if (!each) throw new Error('no picture');
  return { prior, picture: each, window: null, isInverted: false, reformat: null };
};
const arranged = (panes: (Stood | null)[], more: Partial<Arrangement> = {}): Arrangement => ({
  layout: `1x${panes.length}`,
  panes,
  sizing: 'fit',
  links: { place: false, window: false, view: false },
  hasFusion: false,
  ...more,
});

test('a picture is told by its plane alone where that is enough', () => {
  const all = [picture('1.1'), picture('1.2', { plane: 'coronal', hasContrast: true })];
  const [, coronal] = all;
  expect(coronal && selectorOf(coronal, all, 0)).toEqual({ ...ANYTHING, modality: 'CT', plane: 'coronal' });
});

test('contrast, Image Type and thickness are named only where they tell pictures apart', () => {
  const all = [
    picture('1.1', { hasContrast: true, thickness: 1 }),
    picture('1.2', { hasContrast: true }),
    picture('1.3'),
    picture('1.4', { imageType: ['DERIVED', 'SECONDARY', 'MIP'] }),
    picture('1.5', { imageType: ['DERIVED', 'SECONDARY', 'MIP'] }),
  ];
  const told = all.map(({ displaySetId }, at) => {
    const selector = selectorOf(all[at] as Picture, all, 0);
    return [displaySetId, selector.hasContrast, selector.imageType, selector.thickness, selector.place];
  });
  expect(told).toEqual([
    ['1.1', true, [], [0.8, 1.3], 0],
    ['1.2', true, [], [4, 6.3], 0],
    ['1.3', false, [], null, 0],
    ['1.4', false, [], null, 1],
    ['1.5', false, [], null, 2],
  ]);
  // Whatever was told finds the picture again.
  all.forEach((each) => {
    const [found] = choosePictures({ viewports: [{ ...EMPTY, selector: selectorOf(each, all, 0) }] }, [
      study(...all),
    ]);
    expect(found).toBe(each);
  });
});

test('what was arranged is the rule that arranges it again, with its windows, links and sizes', () => {
  const current = study(picture('1.1'), picture('1.2', { plane: 'coronal' }));
  const prior = study(picture('2.1', { plane: 'coronal' }), picture('2.2'), picture('2.3', { thickness: 1 }));
  const panes = [
    { ...stood(current.pictures[0]), window: { center: -600, width: 1500 } },
    null,
    { ...stood(prior.pictures[1], 1), isInverted: true },
  ];
  const rule = ruleOf(
    arranged(panes, { sizing: 'same', links: { place: true, window: false, view: true } }),
    [current, prior],
    'mine',
  );
  expect(rule.when).toEqual({
    modalities: ['CT'],
    regions: ['chest'],
    procedures: [],
    laterality: '',
    priors: 1,
  });
  expect(rule.layout).toBe('1x3');
  // The prior's answers the current one: it is asked for by the same words.
  expect(rule.viewports.map(({ selector }) => selector)).toEqual([
    { ...ANYTHING, modality: 'CT', plane: 'axial' },
    null,
    { ...ANYTHING, modality: 'CT', plane: 'axial', prior: 1 },
  ]);
  expect(rule.viewports.map(({ window, isInverted }) => [window?.width, isInverted])).toEqual([
    [1500, false],
    [undefined, false],
    [undefined, true],
  ]);
  expect([rule.sizing, rule.links.view, rule.atLeast]).toEqual(['same', true, 1]);
  expect(choosePictures(rule, [current, prior]).map((each) => each?.displaySetId ?? null)).toEqual([
    '1.1',
    null,
    '2.2',
  ]);

  // Another of the prior than the one most like it needs words of its own.
  const thin = ruleOf(
    arranged([stood(current.pictures[0]), stood(prior.pictures[2], 1)]),
    [current, prior],
    'thin',
  );
  expect(thin.viewports[1]?.selector).toEqual({
    ...ANYTHING,
    modality: 'CT',
    plane: 'axial',
    prior: 1,
    thickness: [0.8, 1.3],
  });
});

test('projections are told by view and side, PET/CT by its PET', () => {
  const breast = (series: string, view: string, laterality: string): Picture =>
    picture(series, { modality: 'MG', plane: '', view, laterality, isSingle: true, thickness: null });
  const all = [breast('1.1', 'CC', 'R'), breast('1.1', 'MLO', 'R'), breast('1.2', 'CC', 'L')];
  expect(selectorOf(all[1] as Picture, all, 0)).toEqual({
    ...ANYTHING,
    modality: 'MG',
    views: ['MLO'],
    laterality: 'R',
  });
  const both = study(picture('1.1'), picture('1.2', { modality: 'PT' }));
  const rule = ruleOf(
    arranged(
      both.pictures.map((each) => stood(each)),
      { hasFusion: true },
    ),
    [both],
    'x',
  );
  expect(rule.when.modalities).toEqual(['PT']);
  expect(rule.hasFusion).toBe(true);
});

test('planes and a volume are remembered with the stack that they are made of', () => {
  const current = study(picture('1.1'), picture('1.2', { plane: 'coronal' }));
  const cut = { kind: 'plane', plane: 'sagittal', thickness: 4, interval: 2, mode: 'max' } as const;
  const volume = { kind: 'volume', preset: 'ctBone' } as const;
  const panes = [
    { ...stood(current.pictures[0]), reformat: cut },
    { ...stood(current.pictures[0]), reformat: volume },
    stood(current.pictures[1]),
  ];
  const rule = ruleOf(arranged(panes), [current], 'planes');
  expect(rule.viewports.map(({ selector, reformat }) => [selector?.plane, reformat])).toEqual([
    ['axial', cut],
    ['axial', volume],
    ['coronal', null],
  ]);
  expect(choosePictures(rule, [current]).map((each) => each?.displaySetId)).toEqual(['1.1', '1.1', '1.2']);
});
