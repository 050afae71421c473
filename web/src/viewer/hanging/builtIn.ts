/** Protocols that are there before anybody made one. Their names are texts. */
import type { Layout } from '../state/layout';
import { ANY, NO_LINKS, type Protocol, type Selector, showing, type Viewport } from './protocol';

export const BUILT_IN_IDS = [
  'mammographyPrior',
  'mammography',
  'petCt',
  'brainPrior',
  'brain',
  'mrPrior',
  'mr',
  'ctPrior',
  'chestPrior',
  'chest',
  'projectionPrior',
  'ultrasoundPrior',
  'ultrasound',
] as const;
export type BuiltInId = (typeof BUILT_IN_IDS)[number];

type Given = Omit<Protocol, 'id' | 'owner' | 'name' | 'sizing' | 'links' | 'hasFusion'> &
  Partial<Pick<Protocol, 'sizing' | 'links' | 'hasFusion'>>;

/** Right before left, as the reader faces the patient: chest walls meet in the middle. */
const BREASTS: Partial<Selector>[] = [
  { modality: 'MG', laterality: 'R', views: ['CC'] },
  { modality: 'MG', laterality: 'L', views: ['CC'] },
  { modality: 'MG', laterality: 'R', views: ['MLO'] },
  { modality: 'MG', laterality: 'L', views: ['MLO'] },
];
const BRAIN: Partial<Selector>[] = [
  { modality: 'MR', weighting: 'flair' },
  { modality: 'MR', weighting: 't2' },
  { modality: 'MR', weighting: 't1' },
  { modality: 'MR', weighting: 'diffusion' },
];
const CHEST: Partial<Selector>[] = [{ views: ['PA', 'AP'] }, { views: ['LATERAL'] }];

const current = (selectors: Partial<Selector>[]): Viewport[] => selectors.map((each) => showing(each));
const prior = (selectors: Partial<Selector>[]): Viewport[] =>
  selectors.map((each) => showing({ ...each, prior: 1 }));
const above = (selectors: Partial<Selector>[]): Viewport[] => [...current(selectors), ...prior(selectors)];
const numbered = (count: number, selector: Partial<Selector>): Partial<Selector>[] =>
  Array.from({ length: count }, (_, place) => ({ ...selector, place }));

const of = (modalities: string[], regions: string[] = [], priors = 0): Protocol['when'] => ({
  ...ANY,
  modalities,
  regions,
  priors,
});
const beside = (modality: string): { layout: Layout; viewports: Viewport[] } => ({
  layout: '1x2',
  viewports: [showing({ modality }), showing({ modality, prior: 1 })],
});

const GIVEN: Record<BuiltInId, Given> = {
  mammographyPrior: {
    when: of(['MG'], [], 1),
    layout: '2x4',
    viewports: above(BREASTS),
    atLeast: 3,
    sizing: 'same',
  },
  mammography: { when: of(['MG']), layout: '2x2', viewports: current(BREASTS), atLeast: 2, sizing: 'same' },
  petCt: {
    when: of(['PT']),
    layout: '1x2',
    viewports: [
      showing({ modality: 'CT', plane: 'axial' }),
      showing({ modality: 'PT', plane: 'axial' }, { isInverted: true }),
    ],
    atLeast: 2,
    links: { ...NO_LINKS, place: true },
    hasFusion: true,
  },
  brainPrior: { when: of(['MR'], ['head'], 1), layout: '2x4', viewports: above(BRAIN), atLeast: 4 },
  brain: { when: of(['MR'], ['head']), layout: '2x2', viewports: current(BRAIN), atLeast: 3 },
  mrPrior: {
    when: of(['MR'], [], 1),
    layout: '2x2',
    viewports: above(numbered(2, { modality: 'MR' })),
    atLeast: 2,
  },
  mr: { when: of(['MR']), layout: '2x2', viewports: current(numbered(4, { modality: 'MR' })), atLeast: 3 },
  ctPrior: { when: of(['CT'], [], 1), ...beside('CT'), atLeast: 2 },
  chestPrior: { when: of(['CR', 'DX'], ['chest'], 1), layout: '2x2', viewports: above(CHEST), atLeast: 3 },
  chest: { when: of(['CR', 'DX'], ['chest']), layout: '1x2', viewports: current(CHEST), atLeast: 2 },
  projectionPrior: { when: of(['CR', 'DX'], [], 1), ...beside(''), atLeast: 2 },
  ultrasoundPrior: { when: of(['US'], [], 1), ...beside('US'), atLeast: 2 },
  ultrasound: {
    when: of(['US']),
    layout: '2x2',
    viewports: current(numbered(4, { modality: 'US' })),
    atLeast: 2,
  },
};

export const builtIn = (nameOf: (id: BuiltInId) => string): Protocol[] =>
  BUILT_IN_IDS.map((id) => ({
    id,
    owner: 'builtIn',
    name: nameOf(id),
    sizing: 'fit',
    links: NO_LINKS,
    hasFusion: false,
    ...GIVEN[id],
  }));
