/** The marks and Cornerstone's tools library, loaded apart: the first image does not wait for them. */
import { openingTimes, timings } from '../../data/timing';

type Marks = typeof import('./marks');

let loaded: Marks | null = null;

export async function loadMarks(): Promise<Marks> {
  loaded ??= await import('./marks');
  loaded.start();
  return loaded;
}

/** For what happens while drawing; before they are loaded there are no marks. */
export const marksIfLoaded = (): Marks | null => loaded;

export function loadMarksAfterFirstImage(): void {
  if (timings().firstImage !== undefined) {
    void loadMarks();
    return;
  }
  const stop = openingTimes.subscribe(({ phases }) => {
    if (phases.firstImage === undefined) return;
    stop();
    void loadMarks();
  });
}
