import { expect, test, vi } from 'vitest';
import { ACTIONS } from './actions';

vi.mock('../i18n', () => ({ textNow: String }));

test('no key is given to two actions', () => {
  const keys = ACTIONS.flatMap((each) => each.keys);
  expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
  expect(keys.length).toBeGreaterThan(80);
});
