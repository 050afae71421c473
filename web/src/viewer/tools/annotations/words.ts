/** How measured values are written. Numbers have a decimal point everywhere: beside an image they are not prose. */
import { csvOf } from '@/lib/csv';
import { textNow } from '../../i18n';
import { decimalsOf } from './measure';
import type { Annotation, MarkKind, MeasuredValue, Spacing, ValueName } from './model';

export const formatValue = (measured: MeasuredValue): string =>
  `${measured.value.toFixed(decimalsOf(measured))}${measured.unit === '°' ? '' : ' '}${measured.unit}`.trim();

const SHORT: Partial<Record<ValueName, string>> = {
  longAxis: 'L',
  shortAxis: 'S',
  mean: 'Mean',
  standardDeviation: 'SD',
  minimum: 'Min',
  maximum: 'Max',
};

/** The attribute or the act that says what a millimetre is. */
export const SOURCE_TAGS: Record<Spacing['source'], string> = {
  patient: 'Pixel Spacing (0028,0030)',
  detector: 'Imager Pixel Spacing (0018,1164)',
  ultrasound: 'Sequence of Ultrasound Regions (0018,6011)',
  manual: '',
};

/** The lines beside a mark. Millimetres that are not the patient's by Pixel Spacing say where they come from. */
export function textLines(
  kind: MarkKind,
  label: string,
  values: readonly MeasuredValue[],
  spacing: Spacing | null,
): string[] {
  const lines = label ? [label] : [];
  if (kind === 'arrow') return lines;
  for (const value of values) {
    const short = SHORT[value.name];
    lines.push(short ? `${short} ${formatValue(value)}` : formatValue(value));
  }
  const hasMm = values.some(({ unit }) => unit.startsWith('mm'));
  if (kind === 'calibration') lines.push(textNow('marks.sources.manual'));
  else if (hasMm && spacing && spacing.source !== 'patient')
    lines.push(textNow(`marks.sources.${spacing.source}`));
  return lines;
}

/** A comma-separated file of marks, one line for each measured value. */
export function asCsv(annotations: readonly Annotation[]): string {
  const head = [
    'tracking_uid',
    'kind',
    'label',
    'series_instance_uid',
    'sop_instance_uid',
    'frame_number',
    'name',
    'value',
    'unit',
    'mm_from',
    'points',
  ];
  const rows = annotations.flatMap((annotation) => {
    const { uid, kind, label, seriesInstanceUid, sopInstanceUid, frameNumber, values, spacing, points } =
      annotation;
    const place = points.map(([x, y]) => `${x.toFixed(3)} ${y.toFixed(3)}`).join(';');
    const start = [uid, kind, label, seriesInstanceUid, sopInstanceUid, frameNumber];
    const measured = values.length > 0 ? values : [null];
    return measured.map((value) => [
      ...start,
      value?.name ?? '',
      value?.value ?? '',
      value?.unit ?? '',
      value?.unit.startsWith('mm') && spacing ? spacing.source : '',
      place,
    ]);
  });
  return csvOf(head, rows);
}
