import { expect, test } from 'vitest';
import type { Plane } from './frames';
import {
  cameraOf,
  canvasToImage,
  edgeLetters,
  FITTED,
  flippedHorizontally,
  flippedVertically,
  type Geometry,
  imageToCanvas,
  isMirrored,
  lettersOf,
  oppositeLetters,
  panned,
  rotatedLeft,
  rotatedRight,
  scaleBarLength,
  UPRIGHT,
  zoomedAt,
  zoomForPixelSize,
} from './orientation';

const geometry: Geometry = {
  columns: 200,
  rows: 100,
  columnSpacing: 0.5,
  rowSpacing: 1,
  rowDirection: [1, 0, 0],
  columnDirection: [0, 1, 0],
  position: [-50, -50, 12],
};
const viewport = { width: 400, height: 400 };

const axial: Plane = {
  position: [0, 0, 0],
  rowDirection: [1, 0, 0],
  columnDirection: [0, 1, 0],
  rowSpacing: 1,
  columnSpacing: 1,
  spacingSource: 'patient',
};

test('four quarter turns, or two flips, are none', () => {
  const turn = rotatedRight;
  expect(turn(turn(turn(turn(UPRIGHT))))).toEqual(UPRIGHT);
  expect(rotatedLeft(rotatedRight(UPRIGHT))).toEqual(UPRIGHT);
  expect(flippedHorizontally(flippedHorizontally(UPRIGHT))).toEqual(UPRIGHT);
  expect(isMirrored(flippedVertically(UPRIGHT))).toBe(true);
  expect(isMirrored(rotatedRight(UPRIGHT))).toBe(false);
});

test('letters stand where an axial slice has them, and follow turns and flips', () => {
  expect(edgeLetters(axial, [], UPRIGHT)).toEqual({ top: 'A', right: 'L', bottom: 'P', left: 'R' });
  expect(edgeLetters(axial, [], rotatedRight(UPRIGHT))).toEqual({
    top: 'R',
    right: 'A',
    bottom: 'L',
    left: 'P',
  });
  expect(edgeLetters(axial, [], flippedHorizontally(UPRIGHT))).toEqual({
    top: 'A',
    right: 'R',
    bottom: 'P',
    left: 'L',
  });
  // Flipping is what is seen: after a turn it still exchanges left and right of the screen.
  expect(edgeLetters(axial, [], flippedHorizontally(rotatedRight(UPRIGHT)))).toEqual({
    top: 'R',
    right: 'P',
    bottom: 'L',
    left: 'A',
  });
});

test('a plane without position in the patient uses Patient Orientation', () => {
  const unplaced = { ...axial, rowDirection: null, columnDirection: null };
  expect(edgeLetters(unplaced, ['L', 'F'], UPRIGHT)).toEqual({
    top: 'H',
    right: 'L',
    bottom: 'F',
    left: 'R',
  });
  expect(edgeLetters(unplaced, ['P', 'F'], rotatedRight(UPRIGHT))).toEqual({
    top: 'A',
    right: 'H',
    bottom: 'P',
    left: 'F',
  });
  expect(edgeLetters(unplaced, ['A'], UPRIGHT)).toBeNull();
});

test('oblique directions have several letters, the strongest first', () => {
  expect(lettersOf([0.8, 0.6, 0])).toBe('LP');
  expect(lettersOf([-0.1, 0, 0.99])).toBe('H');
  expect(oppositeLetters('LPH')).toBe('RAF');
});

test('the whole image is shown at zoom 1, its pixels in their true proportions', () => {
  // 100 mm x 100 mm on 400 x 400: four screen pixels a mm.
  expect(imageToCanvas(geometry, FITTED, viewport, [-0.5, -0.5])).toEqual([0, 0]);
  expect(imageToCanvas(geometry, FITTED, viewport, [199.5, 99.5])).toEqual([400, 400]);
});

test('canvas and image points are each other, whatever the turn, zoom and pan', () => {
  for (const orientation of [UPRIGHT, rotatedRight(UPRIGHT), flippedHorizontally(rotatedLeft(UPRIGHT))]) {
    const presentation = { orientation, zoom: 2.5, center: [0.3, 0.6] as const };
    const [column, row] = canvasToImage(geometry, presentation, viewport, [33, 271]);
    const [x, y] = imageToCanvas(geometry, presentation, viewport, [column, row]);
    expect([x, y]).toEqual([expect.closeTo(33, 9), expect.closeTo(271, 9)]);
  }
});

test('a turned image fits as well', () => {
  const wide = { ...geometry, columnSpacing: 1 };
  const turned = { ...FITTED, orientation: rotatedRight(UPRIGHT) };
  const [x, y] = imageToCanvas(wide, turned, { width: 200, height: 400 }, [-0.5, -0.5]);
  expect([x, y]).toEqual([expect.closeTo(200, 9), expect.closeTo(0, 9)]);
});

test('zooming keeps the point under the pointer', () => {
  const before = canvasToImage(geometry, FITTED, viewport, [100, 300]);
  const zoomed = zoomedAt(geometry, FITTED, viewport, 3, [100, 300]);
  const after = canvasToImage(geometry, zoomed, viewport, [100, 300]);
  expect(after).toEqual([expect.closeTo(before[0], 9), expect.closeTo(before[1], 9)]);
  expect(zoomed.zoom).toBe(3);
});

test('the image follows the pointer, also mirrored', () => {
  const mirrored = { ...FITTED, orientation: flippedHorizontally(UPRIGHT) };
  const point = imageToCanvas(geometry, mirrored, viewport, [50, 50]);
  const moved = imageToCanvas(geometry, panned(geometry, mirrored, viewport, [17, -9]), viewport, [50, 50]);
  expect(moved).toEqual([expect.closeTo(point[0] + 17, 9), expect.closeTo(point[1] - 9, 9)]);
});

test('the camera looks from where the image is not mirrored, and from behind when it is', () => {
  const camera = cameraOf(geometry, FITTED, viewport);
  expect(camera.viewPlaneNormal.map((x) => x || 0)).toEqual([0, 0, -1]);
  expect(camera.viewUp.map((x) => x || 0)).toEqual([0, -1, 0]);
  expect(camera.parallelScale).toBe(50);
  expect(camera.focalPoint).toEqual([-0.25, -0.5, 12]);
  const distance = Math.hypot(...camera.position.map((each, axis) => each - (camera.focalPoint[axis] ?? 0)));
  expect(camera.clippingRange[0]).toBeLessThan(distance);
  expect(camera.clippingRange[1]).toBeGreaterThan(distance);
  const behind = cameraOf(geometry, { ...FITTED, orientation: flippedVertically(UPRIGHT) }, viewport);
  expect(behind.viewPlaneNormal.map((x) => x || 0)).toEqual([0, 0, 1]);
});

test('one image pixel to one screen pixel', () => {
  const zoom = zoomForPixelSize(geometry, UPRIGHT, viewport, 1);
  const presentation = { ...FITTED, zoom };
  const [left] = imageToCanvas(geometry, presentation, viewport, [10, 0]);
  const [right] = imageToCanvas(geometry, presentation, viewport, [11, 0]);
  expect(right - left).toBeCloseTo(1, 9);
});

test('scale bars have round lengths that fit', () => {
  expect(scaleBarLength(4, 200)).toBe(50);
  expect(scaleBarLength(1, 199)).toBe(100);
  expect(scaleBarLength(100, 150)).toBe(1);
});
