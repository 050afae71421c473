import { expect, test } from 'vitest';
import type { DicomElement, DicomJson } from '../data/dicomJson';
import { splitSeries } from '../data/displaySets';
import { hungOrientation } from '../data/mammography';
import { imageToCanvas, scaleOf } from '../data/orientation';
import { centerAgainst, type Placed, sharedScale, zoomForScale } from '../data/sizes';
import { geometryOf } from '../engine/geometry';
import { builtIn } from './builtIn';
import { picturesOf, planeOf, weightingOf } from './facts';
import { isMatch, likeness, rank, type Subject, type SubjectWithPictures, weigh } from './matching';
import { ANY, ANYTHING, type Protocol, showing } from './protocol';

const AXIAL = [1, 0, 0, 0, 1, 0];
const CORONAL = [1, 0, 0, 0, 0, -1];
const SAGITTAL = [0, 1, 0, 0, 0, -1];

let count = 0;
/** An instance as DICOM JSON; values by tag. */
function instance(modality: string, series: string, values: Record<string, unknown[]> = {}): DicomJson {
  count += 1;
  const given: Record<string, unknown[]> = {
    '00080008': ['ORIGINAL', 'PRIMARY'],
    '00080016': ['1.2.840.10008.5.1.4.1.1.4'],
    '00080018': [`1.${count}`],
    '00080060': [modality],
    '0020000D': [`study.${series.split('.')[0]}`],
    '0020000E': [series],
    '00200011': [Number(series.split('.')[1] ?? 1)],
    '00200013': [count],
    '00280010': [400],
    '00280011': [300],
    '00280004': ['MONOCHROME2'],
    ...values,
  };
  const elements = Object.entries(given).map(([tag, Value]): [string, DicomElement] => [
    tag,
    { vr: 'UN', Value },
  ]);
  return Object.fromEntries(elements);
}

const study = (subject: Partial<Subject>, ...series: DicomJson[][]): SubjectWithPictures => ({
  modalities: [],
  regions: [],
  sides: [],
  procedures: [],
  patient: null,
  ...subject,
  pictures: picturesOf(series.flatMap((datasets) => splitSeries(datasets, '/dicomweb'))),
});

const sequence = (series: string, times: Record<string, unknown[]>): DicomJson[] =>
  [0, 1].map((z) => instance('MR', series, { '00200037': AXIAL, '00200032': [0, 0, z * 5], ...times }));

const T1 = { '00180080': [500], '00180081': [12] };
const T2 = { '00180080': [4500], '00180081': [95] };
const FLAIR = { '00180080': [9000], '00180081': [120], '00180082': [2500] };
const DIFFUSION = { '00180080': [4000], '00180081': [80], '00189087': [1000] };

const PROTOCOLS = builtIn((id) => id);
const protocolOf = (id: string): Protocol => {
  const found = PROTOCOLS.find((each) => each.id === id);
  if (!found) throw new Error(id);
  return found;
};
const seriesShown = (pictures: ({ seriesInstanceUid: string } | null)[]): (string | null)[] =>
  pictures.map((picture) => picture?.seriesInstanceUid ?? null);

test.each([
  [AXIAL, 'axial'],
  [CORONAL, 'coronal'],
  [SAGITTAL, 'sagittal'],
  // Turned about x by 30 and by 45 degrees.
  [[1, 0, 0, 0, 0.866, -0.5], 'axial'],
  [[1, 0, 0, 0, 0.7071, -0.7071], 'oblique'],
  [[], ''],
])('the plane of orientation %j is %s', (orientation, plane) => {
  const [stack] = splitSeries(
    [instance('MR', '1.1', { '00200037': orientation, '00200032': [0, 0, 0] })],
    '',
  );
  expect(stack?.kind === 'stack' && stack.frames[0] && planeOf(stack.frames[0])).toBe(plane);
});

test.each([
  [T1, 't1'],
  [T2, 't2'],
  [FLAIR, 'flair'],
  [DIFFUSION, 'diffusion'],
  [{ '00180080': [3000], '00180081': [30] }, 'pd'],
  [{ '00180080': [4000], '00180081': [60], '00180082': [160] }, 'stir'],
  [{ '00180080': [600], '00180081': [20], '00180020': ['GR'] }, 't2star'],
  [{ '00180080': [8], '00180081': [3], '00180020': ['GR', 'IR'], '00180082': [900] }, 't1'],
  [{ '00180080': [2000], '00180081': [10], '00180082': [860] }, 't1'],
  [{ '00080008': ['DERIVED', 'PRIMARY', 'ADC'], '00180081': [80] }, 'adc'],
  [{ '00180080': [500] }, ''],
])('a sequence with %j is weighted %s, whatever it is called', (times, weighting) => {
  const [stack] = splitSeries(sequence('1.1', { ...times, '0008103E': ['t1 t2 flair dwi'] }), '');
  expect(stack?.kind === 'stack' && weightingOf(stack.frames)).toBe(weighting);
});

test('the sequences of a brain hang by their weighting, in whatever order they were made', () => {
  const brain = study(
    { modalities: ['MR'], regions: ['head'] },
    [instance('MR', '1.1', { '00080008': ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] })],
    sequence('1.2', DIFFUSION),
    sequence('1.3', T1),
    sequence('1.4', FLAIR),
    sequence('1.5', T2),
  );
  const [first, second] = rank(PROTOCOLS, () => [brain]);
  expect(first?.protocol.id).toBe('brain');
  expect(seriesShown(first?.pictures ?? [])).toEqual(['1.4', '1.5', '1.3', '1.2']);
  expect(first?.reasons).toEqual([
    { kind: 'region', about: 'head' },
    { kind: 'modality', about: 'MR' },
    { kind: 'filled', about: '4/4' },
  ]);
  expect(first?.score).toBe(9);
  // The next one takes them by number; the scout comes last and finds no place.
  expect(second?.protocol.id).toBe('mr');
  expect(seriesShown(second?.pictures ?? [])).toEqual(['1.2', '1.3', '1.4', '1.5']);
});

test('of a prior the series hangs that is most like the current one', () => {
  const slices = (
    series: string,
    orientation: number[],
    thickness: number,
    contrast: string[],
  ): DicomJson[] =>
    [0, 1].map((at) =>
      instance('CT', series, {
        '00200037': orientation,
        '00200032': [0, at, at],
        '00180050': [thickness],
        '00180010': contrast,
      }),
    );
  const current = study(
    { modalities: ['CT'] },
    slices('1.3', AXIAL, 5, ['Iohexol']),
    slices('1.4', CORONAL, 3, []),
  );
  const prior = study(
    { modalities: ['CT'] },
    slices('2.1', CORONAL, 5, ['Iohexol']),
    slices('2.2', AXIAL, 5, []),
    slices('2.3', AXIAL, 1, ['Iohexol']),
    slices('2.4', AXIAL, 4, ['Iohexol']),
  );
  const found = weigh(protocolOf('ctPrior'), [current, prior]);
  expect(seriesShown(found.pictures)).toEqual(['1.3', '2.4']);
  const [shown] = current.pictures;
  expect(shown && prior.pictures.map((picture) => likeness(shown, picture))).toEqual([24, 26, 27.2, 27.8]);
  expect(weigh(protocolOf('ctPrior'), [current])).toMatchObject({
    missing: [
      { kind: 'priors', about: '1' },
      { kind: 'filled', about: '1/2' },
    ],
  });
});

const CODES = { CC: '399162004', MLO: '399368009' };
/** 300 by 400 pixels, one of 0.1 mm and the other of 0.07: 30 by 40 and 21 by 28 mm. */
const breast = (
  series: string,
  side: 'R' | 'L',
  view: keyof typeof CODES,
  spacing: number,
  ...more: string[]
) =>
  instance('MG', series, {
    '00080016': ['1.2.840.10008.5.1.4.1.1.1.2'],
    '00200062': [side],
    '00200020': [side === 'R' ? 'P' : 'A', view === 'MLO' ? 'F' : side === 'R' ? 'L' : 'R'],
    '00181164': [spacing, spacing],
    '00540220': [{ '00080100': { vr: 'SH', Value: [CODES[view]] } }],
    '00080068': more,
  });

const views = (number: number): DicomJson[][] => [
  [breast(`${number}.1`, 'L', 'MLO', 0.1), breast(`${number}.1`, 'L', 'CC', 0.1)],
  [breast(`${number}.2`, 'R', 'CC', 0.07, 'FOR PROCESSING')],
  [breast(`${number}.3`, 'R', 'CC', 0.07), breast(`${number}.3`, 'R', 'MLO', 0.07)],
];

test('mammograms hang by view and side, also of one series, and raw ones do not', () => {
  const current = study({ modalities: ['MG'], regions: ['breast'] }, ...views(1));
  const prior = study({ modalities: ['MG'] }, ...views(2));
  const [best] = rank(PROTOCOLS, () => [current, prior]);
  expect(best?.protocol.id).toBe('mammographyPrior');
  expect(best?.protocol.layout).toBe('2x4');
  expect(
    best?.pictures.map(
      (picture) => picture && `${picture.seriesInstanceUid} ${picture.laterality}${picture.view}`,
    ),
  ).toEqual(['1.3 RCC', '1.1 LCC', '1.3 RMLO', '1.1 LMLO', '2.3 RCC', '2.1 LCC', '2.3 RMLO', '2.1 LMLO']);
  const [alone] = rank(PROTOCOLS, () => [current]);
  expect(alone?.protocol.id).toBe('mammography');
});

test('four mammograms have the same millimetres to the pixel, and their chest walls meet', () => {
  const sets = views(1).flatMap((datasets) => splitSeries(datasets, ''));
  const viewport = { width: 600, height: 400 };
  const placed = ([series, at]: [string, number]): Placed => {
    const stack = sets.find((set) => set.seriesInstanceUid === series);
    const frame = stack?.kind === 'stack' ? stack.frames[at] : undefined;
    const geometry = frame && geometryOf(frame);
    if (!geometry) throw new Error(series);
    return { geometry, orientation: hungOrientation(stack, at), viewport };
  };
  const all = (
    [
      ['1.3', 0],
      ['1.1', 1],
    ] as [string, number][]
  ).map(placed);
  const scale = sharedScale(all);
  // The larger is 40 mm high, in 400 pixels.
  expect(scale).toBeCloseTo(10);
  all.forEach((each, at) => {
    const isRight = at === 0;
    const presentation = {
      orientation: each.orientation,
      zoom: zoomForScale(each, scale ?? 0),
      center: centerAgainst(isRight ? 'right' : 'left', each, scale ?? 0),
    };
    expect(scaleOf(each.geometry, presentation, viewport)).toBeCloseTo(10);
    // Both detectors had the chest wall at their first or last column; it is at the inner edge of the viewport.
    const edges = [-0.5, 299.5].map(
      (column) => imageToCanvas(each.geometry, presentation, viewport, [column, 0])[0],
    );
    expect(isRight ? Math.max(...edges) : Math.min(...edges)).toBeCloseTo(isRight ? 600 : 0);
    expect(Math.abs((edges[1] ?? 0) - (edges[0] ?? 0))).toBeCloseTo(isRight ? 210 : 300);
  });
});

test('a picture that does not say what it shows finds no place that asks for it', () => {
  const nameless = study({ modalities: ['MG'] }, [
    instance('MG', '1.1', { '0008103E': ['R CC'], '00200062': [] }),
    instance('MG', '1.1', { '0008103E': ['L CC'], '00200062': [] }),
  ]);
  expect(rank(PROTOCOLS, () => [nameless])).toEqual([]);
  expect(rank(PROTOCOLS, () => [study({ modalities: ['CT'] }, [instance('CT', '1.1')])])).toEqual([]);
});

const own = (id: string, owner: Protocol['owner'], more: Partial<Protocol> = {}): Protocol => ({
  ...protocolOf('ctPrior'),
  id,
  owner,
  when: ANY,
  viewports: [showing({}), showing({ place: 1 })],
  atLeast: 1,
  ...more,
});

test("a person's protocols are asked before the site's, and those before what is built in", () => {
  const ct = study(
    { modalities: ['CT'], regions: ['chest'], procedures: [{ value: '1', scheme: 'L', meaning: 'x' }] },
    [instance('CT', '1.1')],
  );
  const procedures = [{ value: '1', scheme: 'L', meaning: 'CT chest' }];
  const protocols = [
    own('site', 'site', { when: { ...ANY, procedures } }),
    own('mine2', 'person'),
    own('mine1', 'person', { when: { ...ANY, regions: ['chest'] } }),
    own('notMine', 'person', {
      when: { ...ANY, procedures: [{ value: '1', scheme: 'other', meaning: '' }] },
    }),
  ];
  const found = rank(protocols, () => [ct]);
  expect(found.map(({ protocol }) => protocol.id)).toEqual(['mine2', 'mine1', 'site']);
  expect(found[2]?.reasons[0]).toEqual({ kind: 'procedure', about: 'CT chest' });
  const wrong = weigh(own('both', 'site', { when: { ...ANY, laterality: 'B', modalities: ['MR'] } }), [ct]);
  expect(isMatch(wrong)).toBe(false);
  expect(wrong).toMatchObject({
    missing: [
      { kind: 'side', about: 'B' },
      { kind: 'modality', about: 'MR' },
    ],
  });
});

test('a selector asks for thickness, contrast and Image Type', () => {
  const ct = study(
    {},
    [instance('CT', '1.1', { '00180050': [1], '00200037': AXIAL, '00200032': [0, 0, 0] })],
    [
      instance('CT', '1.2', {
        '00180050': [5],
        '00180012': [{ '00080100': { vr: 'SH', Value: ['C'] } }],
        '00080008': ['DERIVED', 'SECONDARY', 'MPR'],
      }),
    ],
  );
  const chosen = (selector: Partial<typeof ANYTHING>): string | undefined =>
    weigh(own('x', 'site', { viewports: [showing(selector)] }), [ct]).pictures[0]?.seriesInstanceUid;
  expect(chosen({ thickness: [0, 1] })).toBe('1.1');
  expect(chosen({ thickness: [1.1, 9] })).toBe('1.2');
  expect(chosen({ hasContrast: true })).toBe('1.2');
  expect(chosen({ imageType: ['MPR'] })).toBe('1.2');
  expect(chosen({ plane: 'axial' })).toBe('1.1');
  expect(chosen({ plane: 'axial', hasContrast: true })).toBeUndefined();
});
