import { ActionIcon, Menu, Tooltip } from '@mantine/core';
import {
  Columns2,
  Grid2x2,
  Grid3x2,
  Grid3x3,
  LayoutGrid,
  type LucideIcon,
  Rows2,
  Square,
} from 'lucide-react';
import { type KeyboardEvent, useRef, useState } from 'react';
import { useBinding } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { HangingItems } from '../hanging/HangingItems';
import { useTexts } from '../i18n';
import {
  COLUMNS_MAX,
  isPossible,
  type Layout,
  layoutOf,
  LAYOUTS,
  type NamedLayout,
  ROWS_MAX,
  type Shape,
  shapeOf,
} from '../state/layout';
import { setLayout, useViewer } from '../state/store';
import { action } from '../tools/actions';
import classes from './LayoutMenu.module.css';
import toolbarClasses from './Toolbar.module.css';

const LAYOUT_ICONS: Partial<Record<Layout, LucideIcon>> = {
  '1x1': Square,
  '1x2': Columns2,
  '2x1': Rows2,
  '2x2': Grid2x2,
  '2x3': Grid3x2,
  '3x3': Grid3x3,
  '4x4': LayoutGrid,
};

/** The layouts with a name, and below them the grid that any other is picked from. */
export function LayoutMenu() {
  const t = useTexts();
  const layout = useViewer((state) => state.layout);
  const [isOpened, setIsOpened] = useState(false);
  const Icon = LAYOUT_ICONS[layout] ?? LayoutGrid;
  return (
    <Menu opened={isOpened} onChange={setIsOpened} width={330}>
      <Menu.Target>
        <Tooltip label={t('layout')}>
          <ActionIcon className={toolbarClasses.button} size={30} aria-label={t('layout')}>
            <Icon size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {LAYOUTS.map((each) => (
          <LayoutItem key={each} layout={each} isChosen={each === layout} />
        ))}
        <Menu.Divider />
        <Menu.Label>{t('layouts.custom')}</Menu.Label>
        <LayoutPicker
          chosen={shapeOf(layout)}
          onPick={(shape) => {
            setLayout(layoutOf(shape));
            setIsOpened(false);
          }}
        />
        <Menu.Divider />
        <HangingItems />
      </Menu.Dropdown>
    </Menu>
  );
}

export function LayoutItem({ layout, isChosen }: { layout: NamedLayout; isChosen: boolean }) {
  const t = useTexts();
  const { run } = action(`layout${layout}`);
  const key = useBinding(`viewer.layout${layout}`);
  const Icon = LAYOUT_ICONS[layout] ?? LayoutGrid;
  return (
    <Menu.Item
      leftSection={<Icon size={17} strokeWidth={1.75} />}
      rightSection={key && <Keycaps binding={key} />}
      data-chosen={isChosen || undefined}
      onClick={run}
    >
      {t(`actions.layout${layout}`)}
    </Menu.Item>
  );
}

const ARROWS: Record<string, [rows: number, columns: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

const SHAPES: Shape[] = Array.from({ length: ROWS_MAX * COLUMNS_MAX }, (_, index) => ({
  rows: Math.floor(index / COLUMNS_MAX) + 1,
  columns: (index % COLUMNS_MAX) + 1,
}));

/** Rows by columns, by pointer or by arrow keys; the cells up to the one pointed at light up. */
export function LayoutPicker({ chosen, onPick }: { chosen: Shape; onPick: (shape: Shape) => void }) {
  const t = useTexts();
  const [pointed, setPointed] = useState<Shape>(chosen);
  const grid = useRef<HTMLDivElement>(null);

  const handleKey = (event: KeyboardEvent, from: Shape): void => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    // The menu would go to another of its items.
    event.preventDefault();
    event.stopPropagation();
    const to = { rows: from.rows + arrow[0], columns: from.columns + arrow[1] };
    if (isPossible(to)) grid.current?.querySelector<HTMLElement>(`[data-shape='${layoutOf(to)}']`)?.focus();
  };

  return (
    <div className={classes.picker}>
      <div
        ref={grid}
        className={classes.cells}
        role="group"
        aria-label={t('layouts.custom')}
        onMouseLeave={() => setPointed(chosen)}
      >
        {SHAPES.map((shape) => {
          const isChosen = shape.rows === chosen.rows && shape.columns === chosen.columns;
          return (
            <button
              key={layoutOf(shape)}
              type="button"
              className={classes.cell}
              data-shape={layoutOf(shape)}
              data-in={(shape.rows <= pointed.rows && shape.columns <= pointed.columns) || undefined}
              aria-label={t('layouts.cell', { ...shape })}
              aria-pressed={isChosen}
              disabled={!isPossible(shape)}
              tabIndex={isChosen ? 0 : -1}
              onFocus={() => setPointed(shape)}
              onMouseEnter={() => setPointed(shape)}
              onKeyDown={(event) => handleKey(event, shape)}
              onClick={() => onPick(shape)}
            />
          );
        })}
      </div>
      <p className={classes.caption} aria-hidden>
        {t('layouts.cell', { ...pointed })}
      </p>
    </div>
  );
}
