/** When each phase of an opening was reached, in ms since the reader asked for the study. */
import { create } from 'zustand';

export const PHASES = [
  'seriesListed',
  'metadataRead',
  'engineReady',
  'firstBytes',
  'firstDecoded',
  'firstImage',
] as const;
export type Phase = (typeof PHASES)[number];
export type Timings = Partial<Record<Phase, number>>;

interface OpeningTimes {
  /** What `performance.now()` said when the reader asked. */
  since: number;
  phases: Timings;
}

export const useTimings = create<OpeningTimes>(() => ({ since: 0, phases: {} }));

/** What the app's router marks when it is told to show the viewer. */
export const ASKED = 'filmless:viewerAsked';

let isFirst = true;

/** The start of the page when it was loaded to show the viewer, else the moment its route was asked for. */
function askedAt(): number {
  const [page] = performance.getEntriesByType('navigation');
  const wasLoadedFor = isFirst && page !== undefined && new URL(page.name).pathname.includes('/viewer/');
  isFirst = false;
  if (wasLoadedFor) return 0;
  return performance.getEntriesByName(ASKED).at(-1)?.startTime ?? performance.now();
}

export function beginTiming(): void {
  useTimings.setState({ since: askedAt(), phases: {} });
  performance.clearMarks(ASKED);
}

/** Only the first time counts: what a later frame takes is no part of the opening. */
export function mark(phase: Phase): void {
  const { since, phases } = useTimings.getState();
  if (phases[phase] !== undefined) return;
  useTimings.setState({ phases: { ...phases, [phase]: performance.now() - since } });
}

export const timings = (): Timings => useTimings.getState().phases;
