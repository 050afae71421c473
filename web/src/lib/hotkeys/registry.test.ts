import { expect, test } from 'vitest';
import { keycaps } from './display';
import {
  bindingOf,
  findConflicts,
  type Hotkey,
  isSingleKey,
  ownerOf,
  sameKey,
  withOwnKeys,
} from './registry';

const hotkey = (id: string, ...keys: string[]): Hotkey => ({
  id,
  group: 'g',
  label: id,
  keys,
  run: () => undefined,
});

test('two hotkeys on one key are found, whatever the case', () => {
  const conflicts = findConflicts([hotkey('a', 'j', 'ArrowDown'), hotkey('b', 'k'), hotkey('c', 'J')]);
  expect(conflicts.map(([one, other]) => [one.id, other.id])).toEqual([['a', 'c']]);
});

test('one hotkey may have several keys', () => {
  expect(findConflicts([hotkey('a', '?', 'Shift+?')])).toEqual([]);
});

test('single keys are those that speech or a stray hand can strike', () => {
  expect(['j', '?', 'Shift+?', '/', 'g s'].every(isSingleKey)).toBe(true);
  expect(['$mod+k', 'Enter', 'ArrowDown', 'Alt+a'].some(isSingleKey)).toBe(false);
});

test('keycaps are drawn as they are labelled on the keyboard', () => {
  expect(keycaps('$mod+k')).toEqual([['Ctrl', 'K']]);
  expect(keycaps('Shift+?')).toEqual([['?']]);
  expect(keycaps('g s')).toEqual([['g'], ['s']]);
  expect(keycaps('ArrowDown')).toEqual([['↓']]);
});

test('a key that a person gave to one hotkey is taken from the other', () => {
  const own = withOwnKeys([hotkey('invert', 'i'), hotkey('fit', 'f', '='), hotkey('play', 'c')], {
    invert: ['F'],
    play: [],
  });
  expect(own.map(({ id, keys }) => [id, keys])).toEqual([
    ['invert', ['F']],
    ['fit', ['=']],
    ['play', []],
  ]);
  expect(findConflicts(own)).toEqual([]);
});

test('who has a key is found, whatever its writing', () => {
  const all = [hotkey('undo', 'Control+Shift+z'), hotkey('fit', 'f')];
  expect(ownerOf('Shift+Control+Z', all, 'fit')?.id).toBe('undo');
  expect(ownerOf('f', all, 'fit')).toBeUndefined();
  expect(sameKey('Alt++')).toBe('alt++');
});

const struck = (key: string, code: string, held: Partial<KeyboardEvent> = {}): KeyboardEvent =>
  ({ key, code, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, ...held }) as KeyboardEvent;

test('a key that is struck becomes the binding that hears it again', () => {
  expect(bindingOf(struck('i', 'KeyI'))).toBe('i');
  expect(bindingOf(struck('I', 'KeyI', { shiftKey: true }))).toBe('Shift+I');
  expect(bindingOf(struck('"', 'Digit2', { shiftKey: true }))).toBe('Shift+Digit2');
  expect(bindingOf(struck('?', 'Slash', { shiftKey: true }))).toBe('Shift+?');
  expect(bindingOf(struck(' ', 'Space'))).toBe('Space');
  expect(bindingOf(struck('ArrowUp', 'ArrowUp', { ctrlKey: true, altKey: true }))).toBe(
    'Control+Alt+ArrowUp',
  );
  expect(bindingOf(struck('Shift', 'ShiftLeft', { shiftKey: true }))).toBeNull();
});
