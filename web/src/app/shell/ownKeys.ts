import { setPreference, usePreferences } from '@/api/preferences';
import type { OwnKeys } from '@/lib/hotkeys';

/** What is kept of a person's keys; what is not of the form is left out. */
export function readOwnKeys(kept: unknown): OwnKeys {
  if (typeof kept !== 'object' || kept === null) return {};
  return Object.fromEntries(
    Object.entries(kept).filter(
      (entry): entry is [string, string[]] =>
        Array.isArray(entry[1]) && entry[1].every((key) => typeof key === 'string' && key !== ''),
    ),
  );
}

const ownKeys = (): OwnKeys => readOwnKeys(usePreferences.getState().values.hotkeys);

function save(keys: OwnKeys): void {
  setPreference('hotkeys', Object.keys(keys).length > 0 ? keys : undefined);
}

export function chooseKeys(id: string, keys: readonly string[]): void {
  save({ ...ownKeys(), [id]: keys });
}

export function resetKeys(id: string): void {
  save(Object.fromEntries(Object.entries(ownKeys()).filter(([each]) => each !== id)));
}

export const resetAllKeys = (): void => save({});
