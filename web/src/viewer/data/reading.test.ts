import { expect, test } from 'vitest';
import { advance, rateFromData } from './cine';
import type { DicomJson } from './dicomJson';
import { inlineBytes, number, numbers, personName, text } from './dicomJson';
import { splitSeries, type StackDisplaySet } from './displaySets';
import { failureOf, withTimeout } from './errors';
import { framesOf, readInstance } from './frames';
import { firstPart, transferSyntaxOf } from './multipart';
import { openingOrder } from './openingOrder';
import { isVideo, kindOf } from './sopClasses';
import { type Tag, tagRows } from './tagTree';

test('numbers may come as text, and half a vector is none', () => {
  const dataset: DicomJson = {
    '00200032': { vr: 'DS', Value: ['1.5', 2, ' -3 '] },
    '00200037': { vr: 'DS', Value: [1, null, 0] },
    '00200013': { vr: 'IS', Value: ['7'] },
    '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] },
    '00080060': { vr: 'CS', Value: ['CT '] },
    '00281201': { vr: 'OW', InlineBinary: 'AQID' },
  };
  expect(numbers(dataset, '00200032')).toEqual([1.5, 2, -3]);
  expect(numbers(dataset, '00200037')).toBeNull();
  expect(number(dataset, '00200013')).toBe(7);
  expect(personName(dataset, '00100010')).toEqual({ alphabetic: 'Yamada^Tarou', ideographic: '山田^太郎' });
  expect(text(dataset, '00080060')).toBe('CT');
  expect(Array.from(inlineBytes(dataset, '00281201') ?? [])).toEqual([1, 2, 3]);
});

const image = (extra: DicomJson): DicomJson => ({
  '00280010': { vr: 'US', Value: [4] },
  '00280011': { vr: 'US', Value: [4] },
  '00280008': { vr: 'IS', Value: [4] },
  ...extra,
});
const rateOf = (extra: DicomJson) => rateFromData(splitSeries([image(extra)], '')[0] as StackDisplaySet);

test('the rate comes from the data', () => {
  expect(rateOf({ '00082144': { vr: 'IS', Value: [25] }, '00180040': { vr: 'IS', Value: [12] } })).toBe(25);
  expect(rateOf({ '00180040': { vr: 'IS', Value: [12] } })).toBe(12);
  expect(rateOf({ '00181063': { vr: 'DS', Value: [40] } })).toBe(25);
  expect(rateOf({ '00181065': { vr: 'DS', Value: [0, 50, 100, 150] } })).toBe(10);
  expect(rateOf({ '00181063': { vr: 'DS', Value: [1] } })).toBe(60);
  expect(rateOf({})).toBeNull();
});

test('a late screen catches up without drifting', () => {
  expect(advance(99, 10)).toEqual({ steps: 0, remainderMs: 99 });
  expect(advance(250, 10)).toEqual({ steps: 2, remainderMs: 50 });
});

const spacingOf = (extra: DicomJson) => framesOf(readInstance(image(extra)), '')[0]?.plane;

test('the distance of pixels is found where the object keeps it', () => {
  expect(spacingOf({ '00280030': { vr: 'DS', Value: [0.7, 0.6] } })).toMatchObject({
    rowSpacing: 0.7,
    columnSpacing: 0.6,
    spacingSource: 'patient',
  });
  expect(
    spacingOf({ '00181164': { vr: 'DS', Value: [0.2, 0.2] }, '00181114': { vr: 'DS', Value: [2] } }),
  ).toMatchObject({ rowSpacing: 0.1, spacingSource: 'detector' });
  expect(spacingOf({ '00280034': { vr: 'IS', Value: [2, 1] } })).toMatchObject({
    rowSpacing: 2,
    columnSpacing: 1,
    spacingSource: 'aspect',
  });
  expect(spacingOf({})).toMatchObject({ rowSpacing: 1, spacingSource: 'none' });
  const region = (x: number) => ({
    '00186024': { vr: 'US', Value: [3] },
    '00186026': { vr: 'US', Value: [3] },
    '0018602C': { vr: 'FD', Value: [x] },
    '0018602E': { vr: 'FD', Value: [x] },
  });
  expect(spacingOf({ '00186011': { vr: 'SQ', Value: [region(0.05)] } })).toMatchObject({
    rowSpacing: 0.5,
    spacingSource: 'calibrated',
  });
  expect(spacingOf({ '00186011': { vr: 'SQ', Value: [region(0.05), region(0.01)] } })).toMatchObject({
    spacingSource: 'none',
  });
});

test('directions that span no plane are none', () => {
  expect(spacingOf({ '00200037': { vr: 'DS', Value: [0, 0, 0, 0, 0, 0] } })).toMatchObject({
    rowDirection: null,
  });
});

const bytes = (content: string): Uint8Array =>
  Uint8Array.from(content, (character) => character.charCodeAt(0));

test('the part of an answer is cut out exactly, with its transfer syntax', () => {
  const body = bytes(
    '--b0\r\nContent-Type: image/jls; transfer-syntax=1.2.840.10008.1.2.4.80\r\n\r\n\u00ff\u00d8--b\r\n\r\n--b0--\r\n',
  );
  const part = firstPart('multipart/related; type="image/jls"; boundary=b0', body);
  expect(part.transferSyntaxUid).toBe('1.2.840.10008.1.2.4.80');
  expect(Array.from(part.bytes)).toEqual(Array.from(bytes('\u00ff\u00d8--b\r\n')));
});

test('a quoted boundary and a stated length are understood', () => {
  const body = bytes(
    'preamble\r\n--x y\r\ncontent-length: 3\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n--x y--',
  );
  const part = firstPart('Multipart/Related; boundary="x y"', body);
  expect(Array.from(part.bytes)).toEqual([97, 98, 99]);
  expect(part.transferSyntaxUid).toBe('1.2.840.10008.1.2.1');
});

test('an answer that breaks off is refused', () => {
  expect(() =>
    firstPart('multipart/related; boundary=b', bytes('--b\r\nContent-Type: a/b\r\n\r\nabc')),
  ).toThrow('ends before');
  expect(() => firstPart('multipart/related; boundary=b', bytes('nothing'))).toThrow('no readable part');
});

test('a media type without transfer syntax has its default', () => {
  expect(transferSyntaxOf('image/jp2')).toBe('1.2.840.10008.1.2.4.90');
  expect(transferSyntaxOf('application/octet-stream; transfer-syntax="1.2.840.10008.1.2.5"')).toBe(
    '1.2.840.10008.1.2.5',
  );
});

test('failures say who must act', async () => {
  const answer = new Response(JSON.stringify({ detail: 'The frame 7 does not exist.' }), {
    status: 404,
    headers: { 'Content-Type': 'application/problem+json' },
  });
  expect(await failureOf(answer)).toMatchObject({ kind: 'notFound', detail: 'The frame 7 does not exist.' });
  expect(await failureOf(new Response('', { status: 503 }))).toMatchObject({
    kind: 'busy',
    detail: 'HTTP 503',
  });
});

test('a promise that never settles is given up', async () => {
  await expect(withTimeout(new Promise(() => undefined), 5)).rejects.toMatchObject({ kind: 'timeout' });
  await expect(withTimeout(Promise.resolve(1), 1000)).resolves.toBe(1);
});

test('the wanted series is opened first, then images, then the rest', () => {
  const series = (seriesInstanceUid: string, modality: string) => ({
    studyInstanceUid: '1',
    seriesInstanceUid,
    seriesNumber: null,
    modality,
    description: '',
    numberOfInstances: 1,
  });
  const all = [series('a', 'SR'), series('b', 'CT'), series('c', 'MR')];
  expect(openingOrder(all, undefined).map((one) => one.seriesInstanceUid)).toEqual(['b', 'c', 'a']);
  expect(openingOrder(all, 'a').map((one) => one.seriesInstanceUid)).toEqual(['a', 'b', 'c']);
});

test('videos are told from multi-frame images by their transfer syntax', () => {
  expect(kindOf('1.2.840.10008.5.1.4.1.1.77.1.4.1', true, '1.2.840.10008.1.2.4.102')).toBe('video');
  expect(kindOf('1.2.840.10008.5.1.4.1.1.3.1', true, '1.2.840.10008.1.2.4.50')).toBe('image');
  expect(kindOf('1.2.840.10008.5.1.4.1.1.481.2', true)).toBe('image');
});

test('videos are told without a transfer syntax by what only they have', () => {
  const hints = { transferSyntaxUid: '', photometricInterpretation: 'YBR_FULL_422', lossyMethods: [] };
  expect(isVideo(hints)).toBe(false);
  expect(isVideo({ ...hints, photometricInterpretation: 'YBR_PARTIAL_420' })).toBe(true);
  expect(isVideo({ ...hints, lossyMethods: ['ISO_10918_1', 'ISO_14496_10'] })).toBe(true);
  // A frame that was cut out of a video and compressed anew.
  expect(isVideo({ ...hints, lossyMethods: ['ISO_14496_10', 'ISO_10918_1'] })).toBe(false);
  const isJpeg = { transferSyntaxUid: '1.2.840.10008.1.2.4.50', lossyMethods: ['ISO_14496_10'] };
  expect(isVideo({ ...hints, ...isJpeg })).toBe(false);
});

const tag = (number: string, name: string, value: string | null, items: Tag[][] | null = null): Tag => ({
  tag: number,
  vr: items ? 'SQ' : 'LO',
  keyword: name.replaceAll(' ', ''),
  name,
  value,
  lengthBytes: 4,
  items,
});
const tree = [
  tag('00080060', 'Modality', 'CT'),
  tag('00081140', 'Referenced Image Sequence', null, [
    [tag('00081155', 'Referenced SOP Instance UID', '1.2.3')],
    [tag('00081155', 'Referenced SOP Instance UID', '1.2.4')],
  ]),
  tag('00100010', 'Patient Name', 'Müller^Jürgen'),
];
const labels = (opened: string[], search: string) =>
  tagRows(tree, new Set(opened), search).map((row) =>
    row.kind === 'item' ? `#${row.number}` : `${row.depth} ${row.tag.tag}`,
  );

test('sequences show their items when opened', () => {
  expect(labels([], '')).toEqual(['0 00080060', '0 00081140', '0 00100010']);
  expect(labels(['/00081140'], '')).toEqual([
    '0 00080060',
    '0 00081140',
    '#1',
    '2 00081155',
    '#2',
    '2 00081155',
    '0 00100010',
  ]);
});

test('a search finds tags, names and values, inside sequences too, and leaves out the rest', () => {
  expect(labels([], '(0010,0010)')).toEqual(['0 00100010']);
  expect(labels([], 'muller')).toEqual(['0 00100010']);
  expect(labels([], 'patientname')).toEqual(['0 00100010']);
  expect(labels([], '1.2.4')).toEqual(['0 00081140', '#2', '2 00081155']);
  expect(labels([], 'nothing at all')).toEqual([]);
});
