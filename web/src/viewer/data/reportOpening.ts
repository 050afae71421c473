/** Tells the server how long an opening took, once its first image is shown; nobody waits for it. */
import { client } from '@/api/client';
import { PHASES, useTimings } from './timing';

export function reportOpening(): () => void {
  return useTimings.subscribe(({ phases }, before) => {
    const { firstImage } = phases;
    if (firstImage === undefined || before.phases.firstImage !== undefined) return;
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
