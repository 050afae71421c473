/** Why a stack cannot be cut or rendered, in words. */
import { Failure } from '../data/errors';
import type { Irregularity } from '../data/volume';
import type { Notice } from '../state/space';

const mm = (value: number): string => String(Math.round(value * 100) / 100);

function valuesOf(why: Irregularity): Record<string, string | number> {
  switch (why.kind) {
    case 'tooFew':
      return { count: why.count };
    case 'mixedOrientation':
    case 'gantryTilt':
      return { degrees: mm(why.degrees) };
    case 'samePlace':
      return { at: mm(why.at) };
    case 'missingSlice':
      return { from: mm(why.from), to: mm(why.to), gap: mm(why.to - why.from), usual: mm(why.usual) };
    case 'unevenSpacing':
      return { least: mm(why.least), most: mm(why.most) };
    default:
      return {};
  }
}

const isIrregularity = (why: unknown): why is Irregularity =>
  typeof why === 'object' && why !== null && 'kind' in why && !(why instanceof Error);

export function noticeOf(reason: unknown): Notice {
  if (isIrregularity(reason)) return { text: `irregular.${reason.kind}`, values: valuesOf(reason) };
  if (reason instanceof Error && 'why' in reason && isIrregularity(reason.why)) return noticeOf(reason.why);
  if (reason instanceof Error && 'neededBytes' in reason && 'allowedBytes' in reason) {
    const mib = (bytes: unknown): number => Math.round(Number(bytes) / 2 ** 20);
    return {
      text: 'irregular.tooLarge',
      values: { needed: mib(reason.neededBytes), allowed: mib(reason.allowedBytes) },
    };
  }
  return { text: reason instanceof Failure ? `failure.${reason.kind}` : 'failure.damaged' };
}
