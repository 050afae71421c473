import { ActionIcon, Menu, Tooltip } from '@mantine/core';
import {
  Activity,
  ArrowUpLeft,
  Circle,
  CircleDot,
  Crosshair,
  Lasso,
  type LucideIcon,
  Magnet,
  MoveDiagonal,
  PencilRuler,
  Ruler,
  RulerDimensionLine,
  Spline,
  Square,
  TriangleRight,
  Waypoints,
} from 'lucide-react';
import { Keycaps } from '@/ui/Keycaps';
import { useTexts } from '../i18n';
import { isMarking, useViewer } from '../state/store';
import { action } from '../tools/actions';
import { MARK_ACTION_OF } from '../tools/annotations/actions';
import { MARK_KINDS, type MarkKind } from '../tools/annotations/model';
import classes from './Toolbar.module.css';

export const MARK_ICONS: Record<MarkKind, LucideIcon> = {
  length: Ruler,
  bidirectional: MoveDiagonal,
  angle: TriangleRight,
  cobb: Activity,
  ellipse: CircleDot,
  circle: Circle,
  rectangle: Square,
  freehand: Lasso,
  spline: Spline,
  livewire: Magnet,
  polyline: Waypoints,
  probe: Crosshair,
  arrow: ArrowUpLeft,
  calibration: RulerDimensionLine,
};

/** The tools that mark and measure, each with its key. */
export function MarkItems() {
  const t = useTexts();
  const tool = useViewer((state) => state.tool);
  return (
    <>
      {MARK_KINDS.map((kind) => {
        const { name, keys, run } = action(MARK_ACTION_OF[kind]);
        const Icon = MARK_ICONS[kind];
        return (
          <Menu.Item
            key={kind}
            leftSection={<Icon size={17} strokeWidth={1.75} />}
            rightSection={keys[0] && <Keycaps binding={keys[0]} />}
            data-chosen={tool === kind || undefined}
            onClick={run}
          >
            {t(`actions.${name}`)}
          </Menu.Item>
        );
      })}
    </>
  );
}

/** One button that shows the chosen tool and opens the others. */
export function MarkMenu() {
  const t = useTexts();
  const tool = useViewer((state) => state.tool);
  const Icon = isMarking(tool) ? MARK_ICONS[tool] : PencilRuler;
  return (
    <Menu>
      <Menu.Target>
        <Tooltip label={t('marks.menu')}>
          <ActionIcon
            className={classes.button}
            size={30}
            aria-label={t('marks.menu')}
            aria-pressed={isMarking(tool)}
          >
            <Icon size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <MarkItems />
      </Menu.Dropdown>
    </Menu>
  );
}
