/** When each step of opening was reached, in ms since navigation; kept for tests and for the performance panel. */
export type Step = 'opened' | 'seriesListed' | 'metadataRead' | 'engineLoaded' | 'engineReady' | 'firstImage';

let steps: Partial<Record<Step, number>> = {};

export function mark(step: Step): void {
  if (step === 'opened') steps = {};
  if (steps[step] !== undefined) return;
  steps[step] = performance.now();
  performance.mark(`filmless:${step}`);
  window.dispatchEvent(new CustomEvent(`filmless:${step}`, { detail: steps[step] }));
}

export const timings = (): Readonly<Partial<Record<Step, number>>> => steps;
