import 'uplot/dist/uPlot.min.css';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import { useTexts } from '../i18n';
import type { Chart } from '../tools/annotations/charts';
import classes from './MarkPlot.module.css';

const HEIGHT = 150;

interface Plotted {
  data: UPlot.AlignedData;
  across: string;
  up: string;
  isBars: boolean;
}

const withUnit = (name: string, unit: string): string => (unit ? `${name} (${unit})` : name);

function plottedOf(chart: Chart, t: ReturnType<typeof useTexts>): Plotted {
  if (chart.kind === 'profile')
    return {
      data: [chart.points.map(({ distance }) => distance), chart.points.map(({ value }) => value)],
      across: withUnit(t('marks.chart.distance'), chart.distanceUnit),
      up: withUnit(t('marks.chart.value'), chart.unit),
      isBars: false,
    };
  return {
    data: [chart.bins.map(({ from }) => from), chart.bins.map(({ count }) => count)],
    across: withUnit(t('marks.chart.value'), chart.unit),
    up: t('marks.chart.count'),
    isBars: true,
  };
}

function optionsOf(
  { across, up, isBars, data }: Plotted,
  chart: Chart,
  width: number,
  element: HTMLElement,
): UPlot.Options {
  const style = getComputedStyle(element);
  const ink = style.color;
  const line = style.getPropertyValue('--chart-line');
  const axis: UPlot.Axis = {
    stroke: ink,
    font: `10px ${style.fontFamily}`,
    labelFont: `10px ${style.fontFamily}`,
    labelSize: 14,
    grid: { stroke: style.getPropertyValue('--chart-grid'), width: 1 },
    ticks: { show: false },
  };
  const last = data[0].at(-1) ?? 0;
  return {
    width,
    height: HEIGHT,
    // A bar stands from its first value to that of the next; the last one needs its room too.
    scales: {
      x: {
        time: false,
        range: (_plot, least, most) =>
          chart.kind === 'histogram' ? [least, last + chart.width] : [least, most],
      },
    },
    axes: [
      { ...axis, label: across, size: 24 },
      { ...axis, label: up, size: 40 },
    ],
    series: [
      { label: across },
      {
        label: up,
        stroke: line,
        fill: isBars ? `${line}55` : undefined,
        width: 1,
        points: { show: false },
        paths: isBars ? UPlot.paths.bars?.({ size: [1, Infinity], align: 1 }) : undefined,
      },
    ],
  };
}

/** The chart as a drawing; what it shows stands beside it in words and as a table. */
export default function MarkPlot({ chart }: { chart: Chart }) {
  const t = useTexts();
  const { ref: box, width } = useElementSize<HTMLDivElement>();
  const inside = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = inside.current;
    if (!element || width < 80) return undefined;
    const plotted = plottedOf(chart, t);
    const plot = new UPlot(optionsOf(plotted, chart, width, element), plotted.data, element);
    return () => plot.destroy();
  }, [chart, width, t]);
  return (
    <div ref={box} className={classes.plot} aria-hidden>
      <div ref={inside} />
    </div>
  );
}
