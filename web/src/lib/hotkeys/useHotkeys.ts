import { useEffect, useRef, useSyncExternalStore } from 'react';
import { type Hotkey, listHotkeys, register, subscribe } from './registry';

/** Listen to keys while the calling component is shown. `run` may close over fresh state on every render. */
export function useHotkeys(hotkeys: readonly Hotkey[]): void {
  const latest = useRef(hotkeys);
  useEffect(() => {
    latest.current = hotkeys;
  });
  // What the cheat sheet shows decides whether to register anew; the functions behind it are read when a key falls.
  const shape = JSON.stringify(
    hotkeys.map(({ id, group, label, keys, whileTyping }) => [id, group, label, keys, whileTyping]),
  );
  useEffect(
    () =>
      register(
        latest.current.map((hotkey) => ({
          ...hotkey,
          run: (event) => latest.current.find((one) => one.id === hotkey.id)?.run(event),
        })),
      ),
    [shape],
  );
}

/** All keys that work now. */
export function useRegisteredHotkeys(): readonly Hotkey[] {
  return useSyncExternalStore(subscribe, listHotkeys, listHotkeys);
}

/** The first key by which a hotkey works now; undefined when the person gave it none. */
export function useBinding(id: string): string | undefined {
  return useRegisteredHotkeys().find((hotkey) => hotkey.id === id)?.keys[0];
}
