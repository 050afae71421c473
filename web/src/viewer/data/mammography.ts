/** How mammograms hang: breasts back to back, as radiologists read them, whatever way the detector was read out. */
import { text, texts } from './dicomJson';
import type { DisplaySet } from './displaySets';
import { type Frame, frameText } from './frames';
import { flippedHorizontally, flippedVertically, type Orientation, UPRIGHT } from './orientation';

/** R or L: of the frame, of the image, of the series (PS3.3 C.8.11.7, C.7.3.1). */
export function lateralityOf(frame: Frame): string {
  const { dataset } = frame.instance;
  return frameText(frame, '00209072') || text(dataset, '00200062') || text(dataset, '00200060');
}

/**
 * The turn after which the chest wall of a right breast is on the right and that of a left one on the left, with the head
 * (oblique and lateral views) or the outer side (craniocaudal views) at the top. From Patient Orientation (0020,0020):
 * pixels may come in any of four ways. Images that do not say it stay as they are.
 */
export function hungMammogram(laterality: string, patientOrientation: string[]): Orientation {
  const [along = '', down = ''] = patientOrientation.map((letters) => letters.charAt(0));
  if (laterality !== 'R' && laterality !== 'L') return UPRIGHT;
  const isRight = laterality === 'R';
  let orientation = UPRIGHT;
  if (along === (isRight ? 'A' : 'P')) orientation = flippedHorizontally(orientation);
  const inner = isRight ? 'L' : 'R';
  const outer = isRight ? 'R' : 'L';
  if (down === 'H' || (down === outer && down !== inner)) orientation = flippedVertically(orientation);
  return orientation;
}

/** The side of the viewport that the chest wall of a hung mammogram is on; null where that is not known. */
export function chestWallOf(frame: Frame): 'left' | 'right' | null {
  if (frame.instance.modality !== 'MG' || texts(frame.instance.dataset, '00200020').length === 0) return null;
  return ({ R: 'right', L: 'left' } as const)[lateralityOf(frame)] ?? null;
}

/** How a display set stands when one of its frames is opened. */
export function hungOrientation(displaySet: DisplaySet | undefined, index = 0): Orientation {
  if (displaySet?.kind !== 'stack' || displaySet.modality !== 'MG') return UPRIGHT;
  const frame = displaySet.frames[index];
  return frame ? hungMammogram(lateralityOf(frame), texts(frame.instance.dataset, '00200020')) : UPRIGHT;
}
