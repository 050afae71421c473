/**
 * Every key the screen listens to, in one place: so that two features cannot take the same key unnoticed, the cheat
 * sheet is complete by construction, and single keys can be turned off (WCAG 2.1.4).
 */
import { tinykeys } from 'tinykeys';

export interface Hotkey {
  /** Stable name, `studies.open`; what a later per-user mapping refers to. */
  id: string;
  /** Heading in the cheat sheet. */
  group: string;
  /** What it does, in the reader's language. */
  label: string;
  /** Bindings in tinykeys' writing; any of them runs it. The first is the one shown. */
  keys: readonly string[];
  /** Also runs while the focus is in a text field. */
  whileTyping?: boolean;
  run: (event: KeyboardEvent) => void;
}

const registered = new Map<string, Hotkey>();
const watchers = new Set<() => void>();
let snapshot: readonly Hotkey[] = [];

const SINGLE_KEYS_OFF = 'filmless.singleKeysOff';

function changed(): void {
  snapshot = [...registered.values()];
  for (const watcher of watchers) watcher();
}

/** For useSyncExternalStore. */
export function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function listHotkeys(): readonly Hotkey[] {
  return snapshot;
}

export function areSingleKeysOn(): boolean {
  try {
    return localStorage.getItem(SINGLE_KEYS_OFF) === null;
  } catch {
    return true; // storage is switched off in this browser
  }
}

export function setSingleKeysOn(on: boolean): void {
  try {
    if (on) localStorage.removeItem(SINGLE_KEYS_OFF);
    else localStorage.setItem(SINGLE_KEYS_OFF, '1');
  } catch {
    // The choice then lasts as long as the page.
  }
  changed();
}

/** A binding made of one character key without Control, Alt or Meta, which speech input can trigger by accident. */
export function isSingleKey(binding: string): boolean {
  const presses = binding.split(' ');
  return presses.every((press) => {
    const key = press.replace(/^Shift\+/, '');
    return key.length === 1;
  });
}

/** Pairs of hotkeys that would both run on one key. */
export function findConflicts(hotkeys: readonly Hotkey[]): [Hotkey, Hotkey][] {
  const owners = new Map<string, Hotkey>();
  const conflicts: [Hotkey, Hotkey][] = [];
  for (const hotkey of hotkeys) {
    for (const binding of hotkey.keys) {
      const key = binding.toLowerCase();
      const owner = owners.get(key);
      if (owner && owner.id !== hotkey.id) conflicts.push([owner, hotkey]);
      else owners.set(key, hotkey);
    }
  }
  return conflicts;
}

const TYPING =
  'textarea, select, [contenteditable=""], [contenteditable="true"], input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=range], [type=file])';
const OWN_KEYS =
  '[role=menu], [role=listbox], [role=tablist], [role=radiogroup], [role=slider], [role=combobox], input[type=range], input[type=radio]';
const ACTIVATED =
  'a[href], button, summary, [role=button], [role=menuitem], [role=option], [role=tab], input[type=checkbox]';

function mayRun(hotkey: Hotkey, binding: string, event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.isComposing) return false;
  if (hotkey.whileTyping) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest(TYPING)) return false;
  if (document.querySelector('[role=dialog][aria-modal=true]')) return false;
  if (isSingleKey(binding) && !areSingleKeysOn()) return false;
  // An arrow in a menu moves in the menu; Enter on a button presses the button.
  if (/^(Arrow|Home|End|Page)/.test(event.key) && target?.closest(OWN_KEYS)) return false;
  if ((event.key === 'Enter' || event.key === ' ') && target?.closest(ACTIVATED)) return false;
  return true;
}

/** Take keys until the returned function is called. */
export function register(hotkeys: readonly Hotkey[]): () => void {
  const map: Record<string, (event: KeyboardEvent) => void> = {};
  for (const hotkey of hotkeys) {
    registered.set(hotkey.id, hotkey);
    for (const binding of hotkey.keys) {
      map[binding] = (event) => {
        if (mayRun(hotkey, binding, event)) hotkey.run(event);
      };
    }
  }
  for (const [one, other] of findConflicts([...registered.values()])) {
    console.error(`The hotkeys ${one.id} and ${other.id} want the same key.`);
  }
  const stop = tinykeys(window, map);
  changed();
  return () => {
    stop();
    for (const hotkey of hotkeys) {
      if (registered.get(hotkey.id) === hotkey) registered.delete(hotkey.id);
    }
    changed();
  };
}
