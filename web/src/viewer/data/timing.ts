/** When each phase of an opening was reached, in ms since the reader asked for the study. */
import { createStore } from 'zustand/vanilla';

export const PHASES = [
  'seriesListed',
  'metadataRead',
  'firstBytes',
  'firstDecoded',
  'firstImage',
  'engineReady',
] as const;
export type Phase = (typeof PHASES)[number];
export type Timings = Partial<Record<Phase, number>>;

interface OpeningTimes {
  /** What `performance.now()` said when the reader asked. */
  since: number;
  phases: Timings;
  /** The first frame cannot be shown. */
  hasFailed: boolean;
}

export const openingTimes = createStore<OpeningTimes>(() => ({ since: 0, phases: {}, hasFailed: false }));

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
  const since = askedAt();
  // Of a page that was loaded for it, the first phases may have been reached before the app ran.
  openingTimes.setState({ since, hasFailed: false, ...(since === 0 ? {} : { phases: {} }) });
  performance.clearMarks(ASKED);
}

/** Only the first time counts: what a later frame takes is no part of the opening. */
export function mark(phase: Phase): void {
  const { since, phases } = openingTimes.getState();
  if (phases[phase] !== undefined) return;
  openingTimes.setState({ phases: { ...phases, [phase]: performance.now() - since } });
}

export const timings = (): Timings => openingTimes.getState().phases;
