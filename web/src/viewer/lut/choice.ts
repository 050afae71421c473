/** What a viewport's choice of a window or table means for a frame. */
import type { Frame } from '../data/frames';
import { paddingOf } from '../data/values';
import { presentedVoi } from '../overlays/registry';
import type { VoiChoice } from '../state/store';
import { isColour } from './pixels';
import { automaticWindow, COLOUR_VOI, ownVois, type Voi, type WindowVoi } from './voi';

export const isMonochrome1 = (frame: Frame): boolean =>
  frame.instance.pixels?.photometricInterpretation === 'MONOCHROME1';

/** `automatic` gives a window from values, for frames that state none. */
export function chosenVoi(choice: VoiChoice, frame: Frame, automatic: () => Voi): Voi {
  if (choice.kind === 'set') return choice.voi;
  const format = frame.instance.pixels;
  if (format && isColour(format)) return COLOUR_VOI;
  const stated = choice.kind === 'state' ? presentedVoi(choice.sopInstanceUid, frame) : null;
  if (stated) return stated;
  const own = ownVois(frame);
  return own[choice.kind === 'own' ? choice.which : 0] ?? own[0] ?? automatic();
}

const automatic = new Map<string, WindowVoi>();

/** A window from the values of a frame, kept for the whole stack: a new one for each frame would flicker. */
export function automaticOf(displaySetId: string, frame: Frame, values: ArrayLike<number> | null): Voi {
  const known = automatic.get(displaySetId);
  if (known) return known;
  if (values === null) return COLOUR_VOI;
  const found = automaticWindow(values, paddingOf(frame));
  automatic.set(displaySetId, found);
  return found;
}

export function forgetAutomatic(displaySetId?: string): void {
  if (displaySetId === undefined) automatic.clear();
  else automatic.delete(displaySetId);
}
