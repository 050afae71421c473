/** Tells the server how long an opening took, once its first image is shown and the renderer has started; nobody waits for it. */
import { client } from '@/api/client';
import { openingTimes, PHASES, type Timings } from './timing';

export function reportOpening(): () => void {
  const isComplete = ({ firstImage, engineReady }: Timings): boolean =>
    firstImage !== undefined && engineReady !== undefined;
  return openingTimes.subscribe(({ phases }, before) => {
    const { firstImage } = phases;
    if (firstImage === undefined || !isComplete(phases) || isComplete(before.phases)) return;
    const body = Object.fromEntries(
      PHASES.flatMap((phase) => {
        const ms = phases[phase];
        return ms === undefined ? [] : [[`${phase}Ms`, Math.round(ms * 10) / 10]];
      }),
    );
    client
      .POST('/openings', { body: { ...body, firstImageMs: firstImage }, keepalive: true })
      .catch(() => undefined);
  });
}
