/** What lies between two points of a trace. */

export interface CaliperEnd {
  timeS: number;
  value: number;
}

export interface Caliper {
  channel: number;
  from: CaliperEnd;
  to: CaliperEnd;
  /** The end that the arrow keys move. */
  active: 'from' | 'to';
}

export interface Measured {
  ms: number;
  /** Beats a minute, if this were the time from one to the next; null when there is no time between. */
  bpm: number | null;
  /** How much higher the second point is. */
  difference: number;
}

export function measured({ from, to }: Caliper): Measured {
  const ms = Math.abs(to.timeS - from.timeS) * 1000;
  return { ms, bpm: ms >= 1 ? 60_000 / ms : null, difference: to.value - from.value };
}

export function moved(caliper: Caliper, seconds: number, value: number): Caliper {
  const end = caliper[caliper.active];
  return { ...caliper, [caliper.active]: { timeS: end.timeS + seconds, value: end.value + value } };
}
