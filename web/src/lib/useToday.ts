import { useSyncExternalStore } from 'react';
import { type CalendarDate, calendarDateOf, toDicomDate } from './dates';

let today = calendarDateOf(new Date());

function subscribe(changed: () => void): () => void {
  const timer = setInterval(() => {
    const now = calendarDateOf(new Date());
    if (toDicomDate(now) === toDicomDate(today)) return;
    today = now;
    changed();
  }, 30_000);
  return () => clearInterval(timer);
}

/** Today by the reader's calendar; screens in departments stay open over midnight. */
export function useToday(): CalendarDate {
  return useSyncExternalStore(subscribe, () => today);
}
