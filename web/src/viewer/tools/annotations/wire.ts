/** Marks as the server's JSON has them. */
import type { components } from '@/api/schema';
import type { Point2 } from '../../data/vectors';
import type { Annotation } from './model';

export type WireMark = components['schemas']['Mark'];
export type ReportedMark = components['schemas']['ReportedMark'];
export type ReportedShape = components['schemas']['ReportedShape'];

const DECIMALS = 1e4;
const rounded = ([x, y]: Point2): number[] => [
  Math.round(x * DECIMALS) / DECIMALS,
  Math.round(y * DECIMALS) / DECIMALS,
];
const pointOf = ([x, y]: readonly number[]): Point2 => [x ?? 0, y ?? 0];

/** Ten thousandths of a pixel are finer than anything that is shown or reported. */
export function forWire(annotation: Annotation): WireMark {
  const { points, controls, textAt, values } = annotation;
  return {
    ...annotation,
    points: points.map(rounded),
    values: values.flatMap(({ name, value, unit }) => (name === 'other' ? [] : [{ name, value, unit }])),
    controls: controls && controls.map(rounded),
    textAt: textAt && rounded(textAt),
  };
}

export function fromWire(mark: WireMark): Annotation {
  const { points, controls, textAt, label, isHidden, values, spacing, knownMm } = mark;
  return {
    ...mark,
    points: points.map(pointOf),
    controls: controls?.map(pointOf) ?? null,
    textAt: textAt ? pointOf(textAt) : null,
    label,
    isHidden,
    values: values ?? [],
    spacing: spacing ?? null,
    knownMm: knownMm ?? null,
  };
}

/** A mark of a report: where its text lies and whether it is hidden are no part of one. */
export function fromReport(mark: ReportedMark): Annotation {
  return {
    ...mark,
    points: mark.points.map(pointOf),
    controls: mark.controls?.map(pointOf) ?? null,
    isHidden: false,
    textAt: null,
  };
}
