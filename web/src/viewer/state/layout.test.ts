import { expect, test } from 'vitest';
import { LAYOUTS, panesOf, PANES_MAX, shapeOf } from './layout';

test('a layout has a viewport for each row and column', () => {
  expect(panesOf('1x1')).toEqual(['pane1']);
  expect(panesOf('2x5')).toHaveLength(10);
  expect(panesOf('4x4').at(-1)).toBe('pane16');
});

test('what is no layout, or too large, is one viewport', () => {
  for (const wrong of ['', '0x2', '3x', 'x', '1.5x2', '4x5', '5x1', '1x9', '-1x-1'])
    expect(shapeOf(wrong)).toEqual({ rows: 1, columns: 1 });
});

test('every layout with a name fits', () => {
  for (const layout of LAYOUTS) expect(panesOf(layout).length).toBeLessThanOrEqual(PANES_MAX);
});
