import { expect, test } from 'vitest';
import { builtIn } from './builtIn';
import { problemOf, relaid, withViewport } from './editing';
import { ANYTHING, EMPTY, type Rule, showing } from './protocol';

const protocolOf = (id: string): Rule => {
  const found = builtIn((each) => each).find((each) => each.id === id);
  if (!found) throw new Error(id);
  return found;
};

test('what a viewport shows stays in its row and column when the layout is another', () => {
  const rule = protocolOf('mammographyPrior');
  const [rcc, lcc, , , priorRcc, priorLcc] = rule.viewports;
  const narrow = relaid(rule, { rows: 2, columns: 2 });
  expect([narrow.layout, narrow.viewports]).toEqual(['2x2', [rcc, lcc, priorRcc, priorLcc]]);
  const wide = relaid(narrow, { rows: 3, columns: 3 });
  expect(wide.viewports).toEqual([rcc, lcc, EMPTY, priorRcc, priorLcc, EMPTY, EMPTY, EMPTY, EMPTY]);
  // No more must be filled than can be.
  expect([rule.atLeast, narrow.atLeast, relaid(rule, { rows: 1, columns: 1 }).atLeast]).toEqual([3, 3, 1]);
  expect(withViewport(relaid(rule, { rows: 1, columns: 2 }), 0, { selector: null }).atLeast).toBe(1);
});

test('what the server would refuse is said before it is tried', () => {
  const rule = protocolOf('ctPrior');
  const volume = showing({}, { reformat: { kind: 'volume', preset: '' } });
  const when = { ...rule.when, modalities: [] };
  expect(problemOf(rule)).toBeNull();
  expect(problemOf({ ...rule, name: ' ' })).toBe('noName');
  expect(problemOf({ ...rule, when })).toBe('tooWide');
  expect(problemOf({ ...rule, when: { ...when, regions: ['chest'] } })).toBeNull();
  expect(problemOf({ ...rule, viewports: [EMPTY, EMPTY] })).toBe('showsNothing');
  expect(problemOf({ ...rule, viewports: [volume, volume] })).toBe('oneVolume');
  const selector = { ...ANYTHING, thickness: [5, 3] as const };
  expect(problemOf(withViewport(rule, 1, { selector }))).toBe('thicknesses');
});
