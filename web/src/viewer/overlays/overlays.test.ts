import { expect, test } from 'vitest';
import type { DicomJson } from '../data/dicomJson';
import { framesOf, readInstance } from '../data/frames';
import { FITTED, flippedHorizontally, type Geometry, rotatedRight, UPRIGHT } from '../data/orientation';
import { brightness, ownVois } from '../lut/voi';
import { rgbFromCielab } from './colour';
import { asKeyImages, readKeyObjects } from './keyImages';
import { planeBits, planeFrame, readPlanes } from './planes';
import {
  areaOfState,
  graphicsOfState,
  isFor,
  presentationOfArea,
  readPresentationState,
  shownArea,
  spatialTransformation,
  voiOfState,
} from './presentationState';
import { framesOn, opacitiesOf, readSegmentation, segmentToImage } from './segmentation';
import { coveredPixels, readShutter } from './shutter';
import { contoursOn, readStructures } from './structures';

const value = (vr: string, ...values: unknown[]) => ({ vr, Value: values });

/** A CT slice of 8 x 6 pixels, 2 mm apart in columns and 3 mm in rows, at z. */
function slice(uid: string, z = 0, more: DicomJson = {}) {
  const dataset: DicomJson = {
    '00080018': value('UI', uid),
    '00080060': value('CS', 'CT'),
    '0020000E': value('UI', '1.2'),
    '00200052': value('UI', '1.9'),
    '00280010': value('US', 6),
    '00280011': value('US', 8),
    '00280100': value('US', 16),
    '00280101': value('US', 12),
    '00280103': value('US', 0),
    '00200037': value('DS', 1, 0, 0, 0, 1, 0),
    '00200032': value('DS', 10, 20, z),
    '00280030': value('DS', 3, 2),
    '00281052': value('DS', -1024),
    '00281053': value('DS', 1),
    ...more,
  };
  const [frame] = framesOf(readInstance(dataset), '/dicomweb');
  if (!frame) throw new Error('no frame');
  return frame;
}

const reference = (uid: string, ...frames: number[]): DicomJson => ({
  '00081155': value('UI', uid),
  ...(frames.length > 0 ? { '00081160': value('IS', ...frames) } : {}),
});

const stateOf = (more: DicomJson) =>
  readPresentationState({
    '00080018': value('UI', '1.5'),
    '00081115': value('SQ', { '0020000E': value('UI', '1.2'), '00081140': value('SQ', reference('1.1')) }),
    ...more,
  });

test('CIELab of the standard becomes the screen colour it means', () => {
  // L 100, a 0, b 0 is white; 0 is black; pure red in sRGB is about L 54.3, a 80.8, b 69.9 with D50.
  expect(rgbFromCielab([65_535, 32_896, 32_896])).toEqual([255, 255, 255]);
  expect(rgbFromCielab([0, 32_896, 32_896])).toEqual([0, 0, 0]);
  const red = rgbFromCielab([
    (54.29 / 100) * 65_535,
    ((80.8 + 128) / 255) * 65_535,
    ((69.89 + 128) / 255) * 65_535,
  ]);
  expect(red?.[0]).toBeGreaterThan(250);
  expect(Math.max(red?.[1] ?? 255, red?.[2] ?? 255)).toBeLessThan(12);
});

test('a shutter leaves open what lies in all of its shapes', () => {
  const shutter = readShutter({
    '00181600': value('CS', 'RECTANGULAR', 'CIRCULAR'),
    '00181602': value('IS', 2),
    '00181604': value('IS', 7),
    '00181606': value('IS', 1),
    '00181608': value('IS', 6),
    '00181610': value('IS', 3, 4),
    '00181612': value('IS', 2),
    '00181622': value('US', 65_535),
  });
  const open = shutter && [...coveredPixels(shutter, 8, 6)].filter((covered) => covered === 0).length;
  // A circle of radius 2 around a pixel holds 13 pixels; all of them lie within the rectangle.
  expect(open).toBe(13);
  expect(shutter?.colour).toEqual([255, 255, 255]);
});

test('the corners of a polygonal shutter belong to what is open', () => {
  const shutter = readShutter({
    '00181600': value('CS', 'POLYGONAL'),
    '00181620': value('IS', 1, 1, 1, 5, 5, 1),
  });
  const covered = coveredPixels(shutter ?? ({} as never), 8, 6);
  const open = [...covered].filter((each) => each === 0).length;
  expect(open).toBe(15);
  expect([covered[0], covered[4], covered[4 * 8], covered[4 * 8 + 4]]).toEqual([0, 0, 0, 1]);
});

test('overlay bits are read from where they lie, and only for frames they belong to', () => {
  const [plane] = readPlanes({
    '60000010': value('US', 2),
    '60000011': value('US', 3),
    '60000015': value('IS', 2),
    '60000051': value('US', 4),
    '60000050': value('SS', 2, 3),
    '60000040': value('CS', 'R'),
    '60000100': value('US', 1),
    '60000102': value('US', 0),
    '60003000': { vr: 'OW', InlineBinary: btoa(String.fromCharCode(0b1100_0001, 0b0000_1010)) },
  });
  if (!plane?.bytes) throw new Error('no plane');
  expect([plane.originRow, plane.originColumn, plane.isRegion]).toEqual([2, 3, true]);
  expect([planeFrame(plane, 3), planeFrame(plane, 4), planeFrame(plane, 5)]).toEqual([null, 0, 1]);
  expect([...planeBits(plane.bytes, plane, 0)]).toEqual([1, 0, 0, 0, 0, 0]);
  expect([...planeBits(plane.bytes, plane, 1)]).toEqual([1, 1, 0, 1, 0, 1]);
});

test('a table may begin below zero although the pixels are unsigned', () => {
  const table: DicomJson = {
    '00283002': value('US', 2, 65_535 - 999, 8),
    '00283006': value('US', 0, 255),
  };
  const [voi] = ownVois(slice('1.1', 0, { '00283010': value('SQ', table) }));
  expect(voi && [brightness(voi, -1000), brightness(voi, -999)]).toEqual([0, 1]);
});

test('a state says of the frames it is for how they are windowed, also through tables', () => {
  const window = { '00281050': value('DS', 40), '00281051': value('DS', 400) };
  const state = stateOf({
    '00283110': value('SQ', window),
    '00281052': value('DS', -1024),
    '00281053': value('DS', 1),
  });
  expect([isFor(state, slice('1.1')), isFor(state, slice('1.7'))]).toEqual([true, false]);
  expect(voiOfState(state, slice('1.1'))).toMatchObject({ center: 40, width: 400, shape: 'LINEAR' });
  // The state's own intercept is 24 more than the image's: what it calls 40 is 16 in the image.
  const moved = stateOf({
    '00283110': value('SQ', window),
    '00281052': value('DS', -1000),
    '00281053': value('DS', 1),
  });
  const voi = voiOfState(moved, slice('1.1'));
  expect(voi && brightness(voi, 16)).toBeCloseTo(0.5, 2);
  const curve = { '00283002': value('US', 3, 0, 8), '00283006': value('US', 255, 0, 255) };
  const through = voiOfState(
    stateOf({ '00283110': value('SQ', window), '20500010': value('SQ', curve) }),
    slice('1.1'),
  );
  expect(through && [-200, 40, 300].map((at) => Math.round(brightness(through, at)))).toEqual([1, 0, 1]);
});

const geometry: Geometry = {
  columns: 8,
  rows: 6,
  columnSpacing: 2,
  rowSpacing: 3,
  rowDirection: [1, 0, 0],
  columnDirection: [0, 1, 0],
  position: [0, 0, 0],
};

test('the part of the image that was shown comes back, turned or not', () => {
  const size = { width: 320, height: 360 };
  for (const orientation of [UPRIGHT, rotatedRight(UPRIGHT), flippedHorizontally(rotatedRight(UPRIGHT))]) {
    const { rotation, isFlipped } = spatialTransformation(orientation);
    const area = shownArea(geometry, { orientation, zoom: 2, center: [0.5, 0.5] }, size);
    const state = stateOf({
      '00700041': value('CS', isFlipped ? 'Y' : 'N'),
      '00700042': value('US', rotation),
      '0070005A': value('SQ', {
        '00700052': value('SL', area.right, area.top),
        '00700053': value('SL', area.left, area.bottom),
        '00700100': value('CS', 'SCALE TO FIT'),
      }),
    });
    expect(state.orientation).toEqual(orientation);
    const read = areaOfState(state, slice('1.1'));
    expect(read).toMatchObject(area);
    const back = presentationOfArea(read, state.orientation, geometry, size);
    expect(shownArea(geometry, back, size)).toEqual(area);
  }
  expect(shownArea(geometry, FITTED, size)).toEqual({ left: 1, top: 1, right: 8, bottom: 6 });
});

test('graphics come in the order of their layers, for the images that they name', () => {
  const graphic = (layer: string, uid: string, ...points: number[]): DicomJson => ({
    '00700002': value('CS', layer),
    '00081140': value('SQ', reference(uid)),
    '00700009': value('SQ', {
      '00700005': value('CS', 'PIXEL'),
      '00700022': value('FL', ...points),
      '00700023': value('CS', 'POLYLINE'),
    }),
  });
  const layer = (name: string, order: number): DicomJson => ({
    '00700002': value('CS', name),
    '00700062': value('IS', order),
  });
  const state = stateOf({
    '00700001': value(
      'SQ',
      graphic('TOP', '1.1', 1, 1, 2, 2),
      graphic('LOW', '1.1', 3, 3, 4, 4),
      graphic('LOW', '1.7', 0, 0, 1, 1),
    ),
    '00700060': value('SQ', layer('TOP', 2), layer('LOW', 1)),
  });
  const found = graphicsOfState(state, slice('1.1'));
  expect(found.map((each) => 'points' in each && each.points[0])).toEqual([
    [3, 3],
    [1, 1],
  ]);
});

test('key images are read with their frames and written one entry an instance', () => {
  const image = (uid: string, ...frames: number[]): DicomJson => ({
    '0040A040': value('CS', 'IMAGE'),
    '00081199': value('SQ', reference(uid, ...frames)),
  });
  const read = readKeyObjects({
    '00080018': value('UI', '1.5'),
    '0040A043': value('SQ', { '00080104': value('LO', 'For Teaching') }),
    '0040A730': value(
      'SQ',
      {
        '0040A040': value('CS', 'TEXT'),
        '0040A043': value('SQ', { '00080100': value('SH', '113012') }),
        '0040A160': value('UT', 'why'),
      },
      image('1.1'),
      image('1.3', 2, 4),
    ),
  });
  expect(read).toMatchObject({ title: 'For Teaching', description: 'why' });
  expect(read.images).toEqual([
    { sopInstanceUid: '1.1', frameNumbers: [] },
    { sopInstanceUid: '1.3', frameNumbers: [2, 4] },
  ]);
  const marked = [
    { sopInstanceUid: '1.3', frameNumber: 4, numberOfFrames: 9 },
    { sopInstanceUid: '1.1', frameNumber: 1, numberOfFrames: 1 },
    { sopInstanceUid: '1.3', frameNumber: 2, numberOfFrames: 9 },
  ];
  expect(asKeyImages(marked)).toEqual([read.images[1], read.images[0]]);
});

function segmentation(type: string, perFrame: DicomJson[], more: DicomJson = {}) {
  return readSegmentation(
    readInstance({
      '00080018': value('UI', '1.6'),
      '00080016': value('UI', '1.2.840.10008.5.1.4.1.1.66.4'),
      '00200052': value('UI', '1.9'),
      '00280008': value('IS', perFrame.length),
      '00280010': value('US', 3),
      '00280011': value('US', 4),
      '00280100': value('US', type === 'BINARY' ? 1 : 8),
      '00620001': value('CS', type),
      '00620002': value('SQ', { '00620004': value('US', 1), '00620005': value('LO', 'Liver') }),
      '52009229': value('SQ', {
        '00209116': value('SQ', { '00200037': value('DS', 1, 0, 0, 0, 1, 0) }),
        '00289110': value('SQ', { '00280030': value('DS', 6, 4) }),
      }),
      '52009230': value('SQ', ...perFrame),
      ...more,
    }),
    '/dicomweb',
  );
}

const segmentFrame = (z: number, ...derivation: DicomJson[]): DicomJson => ({
  '0062000A': value('SQ', { '0062000B': value('US', 1) }),
  '00209113': value('SQ', { '00200032': value('DS', 11, 21.5, z) }),
  ...(derivation.length > 0 ? { '00089124': value('SQ', { '00082112': value('SQ', ...derivation) }) } : {}),
});

test('a segment lies on the image it names, or else in the same plane, at its own resolution', () => {
  const named = segmentation('BINARY', [
    segmentFrame(0, reference('1.1')),
    segmentFrame(5, reference('1.2')),
  ]);
  expect(framesOn(named, slice('1.2', 0)).map(({ frame }) => frame.frameNumber)).toEqual([2]);
  const placed = segmentation('BINARY', [segmentFrame(0), segmentFrame(5)]);
  const image = slice('1.8', 5);
  const [found] = framesOn(placed, image);
  expect(found?.frame.frameNumber).toBe(2);
  // Twice as coarse both ways, and its first centre half of one of its pixels' worth from the image's.
  expect(found && segmentToImage(found.frame, image)).toEqual([2, 0, 0, 2, 0.5, 0.5]);
});

test('samples become opacities: all or nothing, a fraction, or the number of a segment', () => {
  const binary = opacitiesOf(segmentation('BINARY', [segmentFrame(0)]), 1, [0, 1, 1, 0]);
  expect(binary.map(({ segmentNumber, count, alpha }) => [segmentNumber, count, [...alpha]])).toEqual([
    [1, 2, [0, 255, 255, 0]],
  ]);
  const fractional = segmentation('FRACTIONAL', [segmentFrame(0)], { '0062000E': value('US', 200) });
  expect([...(opacitiesOf(fractional, 1, [0, 100, 200, 50])[0]?.alpha ?? [])]).toEqual([0, 128, 255, 64]);
  const labels = opacitiesOf(segmentation('LABELMAP', [segmentFrame(0)]), null, [0, 2, 1, 2]);
  expect(labels.map(({ segmentNumber, count }) => [segmentNumber, count])).toEqual([
    [2, 2],
    [1, 1],
  ]);
});

test('contours are put into the pixels of the image they lie on', () => {
  const contour = (z: number, ...sources: DicomJson[]): DicomJson => ({
    '30060042': value('CS', 'CLOSED_PLANAR'),
    '30060050': value('DS', 10, 20, z, 14, 20, z, 14, 26, z),
    ...(sources.length > 0 ? { '30060016': value('SQ', ...sources) } : {}),
  });
  const structures = readStructures({
    '30060020': value('SQ', {
      '30060022': value('IS', 3),
      '30060024': value('UI', '1.9'),
      '30060026': value('LO', 'Cord'),
    }),
    '30060039': value('SQ', {
      '30060084': value('IS', 3),
      '3006002A': value('IS', 255, 0, 128),
      '30060040': value('SQ', contour(5, reference('1.1')), contour(0)),
    }),
  });
  const [region] = structures.regions;
  if (!region) throw new Error('no region');
  expect([region.name, region.colour]).toEqual(['Cord', [255, 0, 128]]);
  expect(contoursOn(structures, region, slice('1.1', 5))).toEqual([
    {
      isClosed: true,
      points: [
        [0, 0],
        [2, 0],
        [2, 2],
      ],
    },
  ]);
  expect(contoursOn(structures, region, slice('1.4', 0.2))).toHaveLength(1);
  expect(contoursOn(structures, region, slice('1.4', 9))).toHaveLength(0);
});
