import { useEffect } from 'react';

/** The name of the page in tab and history. Never patient data: histories are read by others. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Filmless` : 'Filmless';
  }, [title]);
}
