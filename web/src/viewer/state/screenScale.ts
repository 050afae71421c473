/** How large a millimetre is on this screen: measured once by the reader, kept on this machine, since screens differ. */

const KEY = 'filmless.screenScale';
/** Between a phone held close and a wall: what lies outside was a slip. CSS pixels to the mm. */
export const SCREEN_SCALE_MIN = 1;
export const SCREEN_SCALE_MAX = 20;
/** 96 CSS pixels to the inch: what browsers assume, and seldom right. */
export const SCREEN_SCALE_ASSUMED = 96 / 25.4;

const isPlausible = (scale: number): boolean =>
  Number.isFinite(scale) && scale >= SCREEN_SCALE_MIN && scale <= SCREEN_SCALE_MAX;

/** CSS pixels to the mm; null until it was measured. The browser's own zoom changes it, and is kept beside it. */
export function screenScale(): number | null {
  try {
    const [scale, ratio] = (localStorage.getItem(KEY) ?? '').split(' ').map(Number);
    if (scale === undefined || ratio === undefined || !(ratio > 0)) return null;
    const now = (scale * ratio) / (window.devicePixelRatio || 1);
    return isPlausible(now) ? now : null;
  } catch {
    // Storage may be forbidden; then each page measures for itself.
    return null;
  }
}

export function keepScreenScale(scale: number): void {
  if (!isPlausible(scale)) return;
  try {
    localStorage.setItem(KEY, `${scale} ${window.devicePixelRatio || 1}`);
  } catch {
    // As above.
  }
}
