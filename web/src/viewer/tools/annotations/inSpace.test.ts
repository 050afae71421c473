import { describe, expect, it } from 'vitest';
import type { StackDisplaySet } from '../../data/displaySets';
import { framesOf, readInstance } from '../../data/frames';
import type { Point2 } from '../../data/vectors';
import { copiesOf, cutThrough, placedOf } from './inSpace';
import type { ReportedShape } from './wire';

const values = (vr: string, ...Value: unknown[]) => ({ vr, Value });

/** Slices of 0.5 mm pixels whose first one has its centre at -100.5, -100.5; 4 mm thick, 4 mm apart from z = 0 on. */
function stack(id: string, frameOfReference = '1.9', spacing = [0.5, 0.5]): StackDisplaySet {
  const frames = Array.from({ length: 8 }, (_, at) =>
    framesOf(
      readInstance({
        '0020000E': values('UI', id),
        '00080018': values('UI', `${id}.${at}`),
        '00280010': values('US', 512),
        '00280011': values('US', 512),
        '00280030': values('DS', ...spacing),
        '00180050': values('DS', 4),
        '00200032': values('DS', -100.5, -100.5, 4 * at),
        '00200037': values('DS', 1, 0, 0, 0, 1, 0),
        '00200052': values('UI', frameOfReference),
      }),
      '/dicomweb',
    ),
  ).flat();
  return { kind: 'stack', id, frames } as unknown as StackDisplaySet;
}

const shape = (
  graphicType: ReportedShape['graphicType'],
  points: number[][],
  other: Partial<ReportedShape> = {},
): ReportedShape => ({
  uid: '1.5',
  label: 'L',
  graphicType,
  frameOfReferenceUid: '1.9',
  points,
  values: [],
  ...other,
});

const seen = (made: ReportedShape, ...stacks: StackDisplaySet[]) =>
  placedOf(made, stacks).map(({ annotation: { kind, sopInstanceUid, points } }) => ({
    kind,
    sopInstanceUid,
    points,
  }));

describe('a shape in space', () => {
  it('lies on the slice that holds it within half its thickness, in each stack of its frame of reference', () => {
    const line = shape('POLYLINE', [
      [-90.5, -80.5, 9.9],
      [-60.5, -80.5, 9.9],
    ]);
    expect(seen(line, stack('a'), stack('b', '1.9', [1, 1]), stack('c', '1.8'))).toEqual([
      {
        kind: 'length',
        sopInstanceUid: 'a.2',
        points: [
          [20.5, 40.5],
          [80.5, 40.5],
        ],
      },
      {
        kind: 'length',
        sopInstanceUid: 'b.2',
        points: [
          [10.5, 20.5],
          [40.5, 20.5],
        ],
      },
    ]);
  });

  it('lies on no slice when it is beyond the stack, or runs through several', () => {
    expect(seen(shape('POINT', [[0, 0, 31]]), stack('a'))).toEqual([]);
    expect(
      seen(
        shape('POLYLINE', [
          [0, 0, 0],
          [0, 0, 8],
        ]),
        stack('a'),
      ),
    ).toEqual([]);
    expect(seen(shape('POINT', [[0, 0, 29.9]]), stack('a'))[0]?.sopInstanceUid).toBe('a.7');
  });

  it('is an outline when it is closed, and an open line of several points else', () => {
    const corners = [
      [0, 0, 4],
      [8, 0, 4],
      [8, 8, 4],
    ];
    expect(seen(shape('POLYGON', [...corners, [0, 0, 4]]), stack('a'))[0]).toMatchObject({
      kind: 'freehand',
    });
    expect(seen(shape('POLYGON', [...corners, [0, 0, 4]]), stack('a'))[0]?.points).toHaveLength(3);
    expect(seen(shape('POLYLINE', corners), stack('a'))[0]).toMatchObject({ kind: 'polyline' });
    expect(
      seen(
        shape('MULTIPOINT', [
          [0, 0, 4],
          [0, 0, 8],
        ]),
        stack('a'),
      ).map(({ kind, sopInstanceUid }) => [kind, sopInstanceUid]),
    ).toEqual([
      ['probe', 'a.1'],
      ['probe', 'a.2'],
    ]);
    const angle = shape('POLYLINE', corners, {
      values: [{ name: 'angle', value: 90, unit: '°', meaning: '' }],
    });
    expect(seen(angle, stack('a'))[0]?.kind).toBe('angle');
  });

  it('is copied to one stack only, and only where it lies in the plane of the image', () => {
    const flat = shape('POLYLINE', [
      [0, 0, 4.5],
      [9, 0, 4.5],
    ]);
    const placed = placedOf(flat, [stack('a'), stack('b')]);
    expect(copiesOf(placed, 'b').map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['b.1']);
    expect(copiesOf(placed, null).map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['a.1']);
    const leaning = shape('POLYLINE', [
      [0, 0, 3],
      [9, 0, 5],
    ]);
    expect(placedOf(leaning, [stack('a')])).toHaveLength(1);
    expect(copiesOf(placedOf(leaning, [stack('a')]), 'a')).toEqual([]);
  });
});

describe('an ellipsoid', () => {
  const ball = shape('ELLIPSOID', [
    [-10, 0, 12],
    [10, 0, 12],
    [0, -6, 12],
    [0, 6, 12],
    [0, 0, 4],
    [0, 0, 20],
  ]);
  const size = (points: Point2[]): number[] =>
    [0, 2].map((at) => {
      const [from, to] = [points[at], points[at + 1]] as [Point2, Point2];
      return Math.hypot(to[0] - from[0], to[1] - from[1]) / 2;
    });

  it('is an ellipse on every slice that it reaches, as wide as it is there', () => {
    const found = seen(ball, stack('a'));
    expect(found.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['a.2', 'a.3', 'a.4']);
    // Half the way up, its axes are shorter by sqrt(1 - 1/4); 0.5 mm a pixel, and both ends.
    const share = Math.sqrt(0.75);
    expect(size(found[1]?.points ?? [])).toEqual([expect.closeTo(20), expect.closeTo(12)]);
    expect(size(found[0]?.points ?? [])).toEqual([expect.closeTo(20 * share), expect.closeTo(12 * share)]);
    const [from, to] = found[2]?.points as [Point2, Point2];
    expect((from[0] + to[0]) / 2).toBeCloseTo(201.5);
  });

  it('that leans is cut in an ellipse all of whose ends lie on it and in the plane', () => {
    const turned = [
      [-8, -6, 0],
      [8, 6, 0],
      [3, -4, -3],
      [-3, 4, 3],
      [2, -2, 5],
      [-2, 2, -5],
    ].map(([x, y, z]) => [x ?? 0, y ?? 0, z ?? 0] as const);
    const geometry = {
      columns: 9,
      rows: 9,
      columnSpacing: 1,
      rowSpacing: 1,
      rowDirection: [1, 0, 0],
      columnDirection: [0, 1, 0],
      position: [0, 0, 1.5],
    } as const;
    const cut = cutThrough(turned, geometry);
    expect(cut).toHaveLength(4);
    const axes = [1, 3, 5].map((at) => turned[at] ?? [0, 0, 0]);
    for (const point of cut ?? []) {
      expect(point[2]).toBeCloseTo(1.5);
      // Solved by Cramer's rule: the shares of the axes are a point of the unit sphere.
      const determinant = (columns: readonly (readonly number[])[]): number => {
        const [[a = 0, b = 0, c = 0] = [], [d = 0, e = 0, f = 0] = [], [g = 0, h = 0, i = 0] = []] = columns;
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
      };
      const whole = determinant(axes);
      const shares = axes.map(
        (_, at) => determinant(axes.map((axis, n) => (n === at ? point : axis))) / whole,
      );
      expect(Math.hypot(...shares)).toBeCloseTo(1);
    }
    const [a, b, c, d] = cut ?? [];
    const across = [0, 1, 2].reduce(
      (sum, at) => sum + ((b?.[at] ?? 0) - (a?.[at] ?? 0)) * ((d?.[at] ?? 0) - (c?.[at] ?? 0)),
      0,
    );
    expect(across).toBeCloseTo(0);
  });
});
