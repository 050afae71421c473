/** What a person set of hanging protocols: whether they hang by themselves, and which built-in ones do not. */
import { setPreference, usePreferences } from '@/api/preferences';

export interface HangingChoice {
  isAutomatic: boolean;
  /** Built-in protocols that are turned off. */
  off: readonly string[];
}

const OFF_MAX = 50;

export function readHangingChoice(kept: unknown): HangingChoice {
  const given = (typeof kept === 'object' && kept !== null ? kept : {}) as Record<string, unknown>;
  const off = Array.isArray(given.off) ? (given.off as unknown[]) : [];
  return {
    isAutomatic: given.isAutomatic !== false,
    off: off.filter((each): each is string => typeof each === 'string').slice(0, OFF_MAX),
  };
}

export const hangingChoice = (): HangingChoice => readHangingChoice(usePreferences.getState().values.hanging);

export function useHangingChoice(): HangingChoice {
  return readHangingChoice(usePreferences(({ values }) => values.hanging));
}

export const chooseHanging = (change: Partial<HangingChoice>): void =>
  setPreference('hanging', { ...hangingChoice(), ...change });
