/**
 * Every key the screen listens to, in one place: so that two features cannot take the same key unnoticed, the cheat
 * sheet is complete by construction, a person can choose other keys, and single keys can be turned off (WCAG 2.1.4).
 */
import { tinykeys } from 'tinykeys';

export interface Hotkey {
  /** Stable name, `studies.open`; what a person's own keys refer to. */
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

/** Keys that a person chose, by the id of the hotkey; one that is not in it has the keys it was made with. */
export type OwnKeys = Readonly<Record<string, readonly string[]>>;

const registered = new Map<string, Hotkey>();
const watchers = new Set<() => void>();
let ownKeys: OwnKeys = {};
let snapshot: readonly Hotkey[] = [];
let stopListening: () => void = () => undefined;

const SINGLE_KEYS_OFF = 'filmless.singleKeysOff';

function changed(): void {
  snapshot = withOwnKeys([...registered.values()], ownKeys);
  stopListening();
  stopListening = listen(snapshot);
  for (const watcher of watchers) watcher();
}

/** For useSyncExternalStore. */
export function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** What works now, with the keys that it works by. */
export function listHotkeys(): readonly Hotkey[] {
  return snapshot;
}

/** The keys that hotkeys were made with. */
export function defaultKeys(id: string): readonly string[] {
  return registered.get(id)?.keys ?? [];
}

export function setOwnKeys(keys: OwnKeys): void {
  ownKeys = keys;
  changed();
}

/** One writing for one key: case tells nothing, since Shift is written out, and the order of modifiers neither. */
export function sameKey(binding: string): string {
  return binding
    .toLowerCase()
    .split(' ')
    .map((press) => {
      const parts = press.split(/\b\+/);
      const key = parts.pop() ?? '';
      return [...parts.sort(), key].join('+');
    })
    .join(' ');
}

/** Hotkeys with a person's keys in place of their own. A key that the person gave away is its old owner's no more. */
export function withOwnKeys(hotkeys: readonly Hotkey[], own: OwnKeys): Hotkey[] {
  const taken = new Map<string, string>();
  for (const { id } of hotkeys) own[id]?.forEach((binding) => taken.set(sameKey(binding), id));
  return hotkeys.map((hotkey) => ({
    ...hotkey,
    keys:
      own[hotkey.id] ??
      hotkey.keys.filter((binding) => (taken.get(sameKey(binding)) ?? hotkey.id) === hotkey.id),
  }));
}

/** What other hotkey works by this key now. */
export function ownerOf(binding: string, hotkeys: readonly Hotkey[], except: string): Hotkey | undefined {
  const wanted = sameKey(binding);
  return hotkeys.find(({ id, keys }) => id !== except && keys.some((key) => sameKey(key) === wanted));
}

const MODIFIERS = new Set(['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'CapsLock', 'Dead', 'Process']);

/** The key that was struck, in tinykeys' writing; null while only a modifier is held. */
export function bindingOf(event: KeyboardEvent): string | null {
  if (MODIFIERS.has(event.key)) return null;
  // A digit with Shift is another character on each keyboard; the place of the key is what stays.
  const key = event.key === ' ' || (event.shiftKey && /^Digit\d$/.test(event.code)) ? event.code : event.key;
  const mods = [
    event.ctrlKey && 'Control',
    event.altKey && 'Alt',
    event.metaKey && 'Meta',
    event.shiftKey && 'Shift',
  ].filter((mod) => mod !== false);
  return [...mods, /^\p{L}$/u.test(key) && mods.length === 0 ? key.toLowerCase() : key].join('+');
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
      const key = sameKey(binding);
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

/** What was open as the key fell: Escape closes it before the key comes here, and must not close more. */
let wasDialogOpen = false;
let wasMenuOpen = false;

/** The list of a select stays in the document while it is closed. */
const isShown = (selector: string): boolean =>
  [...document.querySelectorAll(selector)].some((each) => each.checkVisibility());

if (typeof window !== 'undefined')
  window.addEventListener(
    'keydown',
    () => {
      wasDialogOpen = document.querySelector('[role=dialog][aria-modal=true]') !== null;
      wasMenuOpen = isShown('[role=menu], [role=listbox]');
    },
    { capture: true },
  );

function mayRun(hotkey: Hotkey, binding: string, event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.isComposing) return false;
  if (hotkey.whileTyping) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest(TYPING)) return false;
  if (wasDialogOpen || (wasMenuOpen && event.key === 'Escape')) return false;
  if (isSingleKey(binding) && !areSingleKeysOn()) return false;
  // An arrow in a menu moves in the menu; Enter on a button presses the button.
  if (/^(Arrow|Home|End|Page)/.test(event.key) && target?.closest(OWN_KEYS)) return false;
  if ((event.key === 'Enter' || event.key === ' ') && target?.closest(ACTIVATED)) return false;
  return true;
}

function listen(hotkeys: readonly Hotkey[]): () => void {
  if (typeof window === 'undefined') return () => undefined;
  const map: Record<string, (event: KeyboardEvent) => void> = {};
  for (const hotkey of hotkeys) {
    for (const binding of hotkey.keys) {
      map[binding] = (event) => {
        if (mayRun(hotkey, binding, event)) hotkey.run(event);
      };
    }
  }
  return tinykeys(window, map);
}

/** Take keys until the returned function is called. */
export function register(hotkeys: readonly Hotkey[]): () => void {
  for (const hotkey of hotkeys) registered.set(hotkey.id, hotkey);
  for (const [one, other] of findConflicts([...registered.values()])) {
    console.error(`The hotkeys ${one.id} and ${other.id} want the same key.`);
  }
  changed();
  return () => {
    for (const hotkey of hotkeys) {
      if (registered.get(hotkey.id) === hotkey) registered.delete(hotkey.id);
    }
    changed();
  };
}
