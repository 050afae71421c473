/** Draws the paper, the traces on it, and what is marked. */
import { type Caliper, type CaliperEnd, measured } from './calipers';
import type { WaveformGroup } from './leads';
import { type Loaded, sampleOf } from './samples';
import { type Cell, type Scale, type Sheet, type Trace, xOf, yOf } from './sheet';
import type { PointMark } from './summary';

const PAPER = '#fffaf7';
const MILLIMETRE = '#f7dcd7';
const FIVE = '#eab3ab';
const INK = '#1b1b24';
const POINT = '#2f5fa8';
const CALIPER = '#0b6b62';
/** Lines closer than that are a tint. */
const LINES_APART_PX = 2.2;
/** More samples to the pixel are drawn as the span that they have. */
const SAMPLES_PER_PX = 4;
const PULSE = { mv: 1, s: 0.2, gapMm: 1.5 };
const LABEL_PX = 15;

interface Painting {
  sheet: Sheet;
  scale: Scale;
  group: WaveformGroup;
  traces: readonly Trace[];
  loaded: Loaded;
  points: readonly PointMark[];
  caliper: Caliper | null;
  font: string;
}

export function paint(context: CanvasRenderingContext2D, painting: Painting): void {
  const { sheet, scale, traces } = painting;
  context.fillStyle = PAPER;
  context.fillRect(0, 0, sheet.width, sheet.height);
  paintGrid(context, sheet, scale);
  context.lineJoin = 'round';
  for (const cell of sheet.cells) {
    const trace = traces[cell.channel];
    if (!trace) continue;
    if (cell.left <= sheet.margin) paintPulse(context, sheet, cell, trace, scale);
    else paintDivider(context, cell, scale);
    paintTrace(context, painting, cell, trace);
    context.font = `600 13px ${painting.font}`;
    context.fillStyle = INK;
    const label = trace.unit === 'mV' ? trace.name : `${trace.name} (${trace.unit || '–'})`;
    context.fillText(label, cell.left + 3, cell.top + LABEL_PX);
  }
  const last = sheet.cells.at(-1);
  if (last) paintPoints(context, painting, last);
  if (painting.caliper) paintCaliper(context, painting, painting.caliper);
}

function paintGrid(
  context: CanvasRenderingContext2D,
  { width, height, margin }: Sheet,
  { pxPerMm }: Scale,
): void {
  const lines = (stepMm: number, colour: string): void => {
    context.beginPath();
    context.strokeStyle = colour;
    context.lineWidth = 1;
    const step = stepMm * pxPerMm;
    // Whole squares begin where the time does.
    for (let x = margin % step; x <= width; x += step) {
      context.moveTo(Math.round(x) + 0.5, 0);
      context.lineTo(Math.round(x) + 0.5, height);
    }
    for (let y = 0; y <= height; y += step) {
      context.moveTo(0, Math.round(y) + 0.5);
      context.lineTo(width, Math.round(y) + 0.5);
    }
    context.stroke();
  };
  if (pxPerMm >= LINES_APART_PX) lines(1, MILLIMETRE);
  lines(5, FIVE);
}

/** 1 mV for 0.2 s, as machines write it before each row. */
function paintPulse(
  context: CanvasRenderingContext2D,
  { margin }: Sheet,
  cell: Cell,
  trace: Trace,
  { pxPerMm, mmPerS }: Scale,
): void {
  const right = margin - PULSE.gapMm * pxPerMm;
  const left = right - Math.min(PULSE.s * mmPerS, 5) * pxPerMm;
  if (trace.unit !== 'mV' || left < 0) return;
  const foot = cell.top + cell.height / 2;
  const top = foot - PULSE.mv * trace.mmPerUnit * pxPerMm;
  context.beginPath();
  context.strokeStyle = INK;
  context.lineWidth = 1;
  context.moveTo(left - pxPerMm, foot);
  context.lineTo(left, foot);
  context.lineTo(left, top);
  context.lineTo(right, top);
  context.lineTo(right, foot);
  context.lineTo(right + pxPerMm, foot);
  context.stroke();
}

function paintDivider(context: CanvasRenderingContext2D, cell: Cell, { pxPerMm }: Scale): void {
  const middle = cell.top + cell.height / 2;
  context.beginPath();
  context.strokeStyle = INK;
  context.lineWidth = 1;
  context.moveTo(Math.round(cell.left) + 0.5, middle - 2 * pxPerMm);
  context.lineTo(Math.round(cell.left) + 0.5, middle + 2 * pxPerMm);
  context.stroke();
}

function paintTrace(
  context: CanvasRenderingContext2D,
  { sheet, scale, group, loaded }: Painting,
  cell: Cell,
  trace: Trace,
): void {
  const frequency = group.samplingFrequencyHz;
  if (frequency <= 0) return;
  const skew = group.channels[cell.channel]?.skewS ?? 0;
  const from = Math.max(0, Math.floor((cell.fromS - skew) * frequency));
  const to = Math.min(group.numberOfSamples - 1, Math.ceil((cell.toS - skew) * frequency));
  const perPx = frequency / (scale.pxPerMm * scale.mmPerS);
  const step = perPx > SAMPLES_PER_PX ? Math.floor(perPx) : 1;
  context.save();
  context.beginPath();
  context.rect(cell.left, 0, cell.width, sheet.height);
  context.clip();
  context.beginPath();
  context.strokeStyle = INK;
  context.lineWidth = 1.2;
  let isDown = false;
  const put = (at: number, value: number): void => {
    if (Number.isNaN(value)) {
      isDown = false;
      return;
    }
    const x = xOf(cell, at / frequency + skew, scale);
    const y = yOf(cell, value, trace, scale);
    if (isDown) context.lineTo(x, y);
    else context.moveTo(x, y);
    isDown = true;
  };
  for (let at = from; at <= to; at += step) {
    if (step === 1) put(at, sampleOf(loaded, cell.channel, at));
    else {
      let [least, greatest] = [Number.NaN, Number.NaN];
      for (let within = at; within < at + step && within <= to; within += 1) {
        const value = sampleOf(loaded, cell.channel, within);
        if (!(value >= least)) least = Number.isNaN(value) ? least : value;
        if (!(value <= greatest)) greatest = Number.isNaN(value) ? greatest : value;
      }
      put(at, least);
      put(at, greatest);
    }
  }
  context.stroke();
  context.restore();
}

function paintPoints(context: CanvasRenderingContext2D, { scale, points, font }: Painting, cell: Cell): void {
  context.strokeStyle = POINT;
  context.fillStyle = POINT;
  context.lineWidth = 1;
  context.font = `10px ${font}`;
  let free = -Infinity;
  for (const { timeS, short } of [...points].sort((one, other) => one.timeS - other.timeS)) {
    if (timeS < cell.fromS || timeS > cell.toS) continue;
    const x = Math.round(xOf(cell, timeS, scale)) + 0.5;
    context.beginPath();
    context.setLineDash([2, 3]);
    context.moveTo(x, cell.top + 20);
    context.lineTo(x, cell.top + cell.height - 12);
    context.stroke();
    context.setLineDash([]);
    if (x < free) continue;
    context.fillText(short, x - 4, cell.top + cell.height - 2);
    free = x + context.measureText(short).width + 4;
  }
}

/** In every cell that shows both of its ends: the rhythm strip repeats what stands above. Else where it begins. */
function paintCaliper(context: CanvasRenderingContext2D, painting: Painting, caliper: Caliper): void {
  const trace = painting.traces[caliper.channel];
  if (!trace) return;
  const cells = painting.sheet.cells.filter(({ channel }) => channel === caliper.channel);
  const shows = ({ fromS, toS }: Cell, { timeS }: CaliperEnd): boolean => timeS >= fromS && timeS <= toS;
  const whole = cells.filter((cell) => shows(cell, caliper.from) && shows(cell, caliper.to));
  const some = cells.filter((cell) => shows(cell, caliper.from) || shows(cell, caliper.to));
  for (const cell of whole.length > 0 ? whole : some.slice(0, 1))
    paintCaliperIn(context, painting, caliper, cell, trace);
}

function paintCaliperIn(
  context: CanvasRenderingContext2D,
  { sheet, scale, font }: Painting,
  caliper: Caliper,
  cell: Cell,
  trace: Trace,
): void {
  const [one, other] = [caliper.from, caliper.to].map(({ timeS, value }) => ({
    x: xOf(cell, timeS, scale),
    y: yOf(cell, value, trace, scale),
  })) as [{ x: number; y: number }, { x: number; y: number }];
  context.strokeStyle = CALIPER;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const { x, y } of [one, other]) {
    context.moveTo(x, cell.top + 4);
    context.lineTo(x, cell.top + cell.height - 4);
    context.moveTo(Math.min(one.x, other.x) - 8, y);
    context.lineTo(Math.max(one.x, other.x) + 8, y);
  }
  context.stroke();
  const active = caliper.active === 'from' ? one : other;
  context.fillStyle = CALIPER;
  context.beginPath();
  context.arc(active.x, active.y, 4, 0, 2 * Math.PI);
  context.fill();
  const { ms, bpm, difference } = measured(caliper);
  const words = [
    `${ms.toFixed(0)} ms`,
    bpm === null ? '' : `${bpm.toFixed(0)}/min`,
    `${difference.toFixed(2)} ${trace.unit}`,
  ]
    .filter(Boolean)
    .join('  ');
  context.font = `600 12px ${font}`;
  const width = context.measureText(words).width + 10;
  const left = Math.min(Math.max(2, (one.x + other.x - width) / 2), sheet.width - width - 2);
  context.fillStyle = '#e2f3f0';
  context.fillRect(left, cell.top + 2, width, 18);
  context.fillStyle = CALIPER;
  context.fillText(words, left + 5, cell.top + 15);
}
