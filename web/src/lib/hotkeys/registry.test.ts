import { expect, test } from 'vitest';
import { keycaps } from './display';
import { findConflicts, type Hotkey, isSingleKey } from './registry';

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
