/** How viewports lie on the screen: rows by columns. */

export const ROWS_MAX = 4;
export const COLUMNS_MAX = 8;
/** Viewports at once. They share a few GPU contexts, the loads at once and the cache; see docs/viewer.md. */
export const PANES_MAX = 16;

export const PANES = [
  'pane1',
  'pane2',
  'pane3',
  'pane4',
  'pane5',
  'pane6',
  'pane7',
  'pane8',
  'pane9',
  'pane10',
  'pane11',
  'pane12',
  'pane13',
  'pane14',
  'pane15',
  'pane16',
] as const satisfies { length: typeof PANES_MAX };
export type PaneId = (typeof PANES)[number];

export type Layout = `${number}x${number}`;

/** Those with a name and a key; any other is picked from the grid. */
export const LAYOUTS = ['1x1', '1x2', '2x1', '2x2', '2x3', '3x3', '4x4'] as const satisfies Layout[];
export type NamedLayout = (typeof LAYOUTS)[number];

export interface Shape {
  rows: number;
  columns: number;
}

export const isPossible = ({ rows, columns }: Shape): boolean =>
  rows >= 1 && rows <= ROWS_MAX && columns >= 1 && columns <= COLUMNS_MAX && rows * columns <= PANES_MAX;

export const layoutOf = ({ rows, columns }: Shape): Layout => `${rows}x${columns}`;

/** The rows and columns of a layout; one viewport when it says something else, as what was kept long ago may. */
export function shapeOf(layout: string): Shape {
  const [rows = 1, columns = 1] = layout.split('x').map(Number);
  const shape = { rows, columns };
  return Number.isInteger(rows) && Number.isInteger(columns) && isPossible(shape)
    ? shape
    : { rows: 1, columns: 1 };
}

export function panesOf(layout: Layout): readonly PaneId[] {
  const { rows, columns } = shapeOf(layout);
  return PANES.slice(0, rows * columns);
}
