import { ActionIcon, Tooltip } from '@mantine/core';
import { Download } from 'lucide-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import { downloadCsv } from '@/lib/csv';
import { type Texts, useTexts } from '../i18n';
import { type Chart, chartCsv, fullestOf, type Histogram, type Profile } from '../tools/annotations/charts';
import { loadMarks } from '../tools/annotations/loading';
import { AREA_KINDS, type Annotation } from '../tools/annotations/model';
import classes from './MarkChart.module.css';

/** The library that draws comes with the first chart. */
const MarkPlot = lazy(() => import('./MarkPlot'));

/** Numbers beside an image are no prose: a decimal point, and no more digits than they have. */
const short = (value: number): string => String(Number(value.toPrecision(5)));

function useChart(annotation: Annotation): Chart | null {
  const [found, setFound] = useState<{ of: Annotation; chart: Chart | null } | null>(null);
  useEffect(() => {
    let isGone = false;
    loadMarks()
      .then((marks) => marks.chartFor(annotation))
      .then(
        (chart) => {
          if (!isGone) setFound({ of: annotation, chart });
        },
        // What cannot be loaded is told by its viewport.
        () => undefined,
      );
    return () => {
      isGone = true;
    };
  }, [annotation]);
  return found?.of.uid === annotation.uid ? found.chart : null;
}

function histogramText(t: Texts, chart: Histogram): string {
  const fullest = fullestOf(chart);
  return t('marks.chart.histogramText', {
    count: chart.count,
    minimum: short(chart.minimum),
    maximum: short(chart.maximum),
    unit: chart.unit,
    width: short(chart.width),
    most: fullest?.count ?? 0,
    from: short(fullest?.from ?? 0),
    to: short(fullest?.to ?? 0),
  });
}

function profileText(t: Texts, { points, length, distanceUnit, minimum, maximum, unit }: Profile): string {
  const at = (value: number): string => {
    const found = points.find((point) => point.value === value);
    return `${(found?.distance ?? 0).toFixed(1)} ${distanceUnit}`;
  };
  return t('marks.chart.profileText', {
    count: points.length,
    length: `${length.toFixed(1)} ${distanceUnit}`,
    minimum: short(minimum),
    maximum: short(maximum),
    unit,
    leastAt: at(minimum),
    mostAt: at(maximum),
  });
}

const withUnit = (name: string, unit: string): string => (unit ? `${name} (${unit})` : name);

function HistogramTable({ chart }: { chart: Histogram }) {
  const t = useTexts();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{withUnit(t('marks.chart.from'), chart.unit)}</th>
          <th scope="col">{t('marks.chart.to')}</th>
          <th scope="col">{t('marks.chart.count')}</th>
        </tr>
      </thead>
      <tbody>
        {chart.bins
          .filter(({ count }) => count > 0)
          .map(({ from, to, count }) => (
            <tr key={from}>
              <td>{short(from)}</td>
              <td>{short(to)}</td>
              <td>{count}</td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

function ProfileTable({ chart }: { chart: Profile }) {
  const t = useTexts();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{withUnit(t('marks.chart.distance'), chart.distanceUnit)}</th>
          <th scope="col">{withUnit(t('marks.chart.value'), chart.unit)}</th>
        </tr>
      </thead>
      <tbody>
        {chart.points.map(({ distance, value }) => (
          <tr key={distance}>
            <td>{distance.toFixed(1)}</td>
            <td>{short(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The histogram of an area, the profile of a length: in words, as a table, as a file. */
export function MarkChart({ annotation }: { annotation: Annotation }) {
  const isDrawn = AREA_KINDS.has(annotation.kind) || annotation.kind === 'length';
  return isDrawn ? <Figure annotation={annotation} /> : null;
}

function Figure({ annotation }: { annotation: Annotation }) {
  const t = useTexts();
  const chart = useChart(annotation);
  if (!chart) return null;
  const { kind } = chart;
  const csvLabel = t(kind === 'histogram' ? 'marks.chart.histogramCsv' : 'marks.chart.profileCsv');
  return (
    <figure className={classes.chart} aria-label={t(`marks.chart.${kind}`)}>
      <figcaption className={classes.caption}>
        {kind === 'histogram' ? histogramText(t, chart) : profileText(t, chart)}
      </figcaption>
      <Suspense fallback={null}>
        <MarkPlot chart={chart} />
      </Suspense>
      <div className={classes.foot}>
        <details>
          <summary>{t('marks.chart.table')}</summary>
          <div className={classes.table}>
            {kind === 'histogram' ? <HistogramTable chart={chart} /> : <ProfileTable chart={chart} />}
          </div>
        </details>
        <Tooltip label={csvLabel}>
          <ActionIcon
            size={28}
            aria-label={csvLabel}
            onClick={() => downloadCsv(`${kind}-${annotation.uid}.csv`, chartCsv(annotation, chart))}
          >
            <Download size={16} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </div>
    </figure>
  );
}
