import { Menu } from '@mantine/core';
import {
  Box,
  Brush,
  Eclipse,
  FlipHorizontal2,
  FlipVertical2,
  GalleryHorizontalEnd,
  type LucideIcon,
  Maximize,
  MoreHorizontal,
  Play,
  RotateCw,
  Ruler,
  SlidersHorizontal,
  Tags,
  Text,
  Undo2,
} from 'lucide-react';
import { useTexts } from '../i18n';
import { LAYOUTS, type Navigation, stackOf, useViewer } from '../state/store';
import { action, type ActionName } from '../tools/actions';
import classes from './BottomBar.module.css';
import { CaptureItems } from './CaptureMenu';
import { LayoutItem } from './LayoutMenu';
import { MarkItems } from './MarkMenu';
import { TOOL_ICONS } from './Toolbar';
import { WindowItems } from './WindowMenu';

const TOUCH_TOOLS: Navigation[] = ['scroll', 'window', 'pan'];

/** The smaller layouts; more would be stamps. */
const PHONE_LAYOUTS = 4;

const MORE: [ActionName, LucideIcon][] = [
  ['invert', Eclipse],
  ['fit', Maximize],
  ['rotateRight', RotateCw],
  ['flipHorizontally', FlipHorizontal2],
  ['flipVertically', FlipVertical2],
  ['reset', Undo2],
  ['overlay', Text],
  ['measurements', Ruler],
  ['segments', Brush],
  ['rendering', Box],
  ['tags', Tags],
];

/** The tools under the thumb: what one finger does, then what is needed most. */
export function BottomBar() {
  const t = useTexts();
  const tool = useViewer((state) => state.tool);
  const hasStrip = useViewer((state) => state.hasStrip);
  const layout = useViewer((state) => state.layout);
  const isPlaying = useViewer((state) => state.panes[state.active].isPlaying);
  const canPlay = useViewer((state) => (stackOf(state, state.active)?.frames.length ?? 0) > 1);
  return (
    <div className={classes.bar} role="toolbar" aria-label={t('toolbar')}>
      {TOUCH_TOOLS.map((each) => (
        <BarButton
          key={each}
          icon={TOOL_ICONS[each]}
          label={t(`tools.${each}`)}
          isOn={tool === each}
          onClick={() => useViewer.setState({ tool: each })}
        />
      ))}
      <Menu position="top" width={290}>
        <Menu.Target>
          <BarButton icon={SlidersHorizontal} label={t('presets.title')} />
        </Menu.Target>
        <Menu.Dropdown>
          <WindowItems />
        </Menu.Dropdown>
      </Menu>
      <BarButton
        icon={Play}
        label={t('cine.play')}
        isOn={isPlaying}
        isDisabled={!canPlay}
        onClick={action('play').run}
      />
      <BarButton
        icon={GalleryHorizontalEnd}
        label={t('strip.title')}
        isOn={hasStrip}
        onClick={action('strip').run}
      />
      <Menu position="top-end" width={270}>
        <Menu.Target>
          <BarButton icon={MoreHorizontal} label={t('more')} />
        </Menu.Target>
        <Menu.Dropdown>
          <MarkItems />
          <Menu.Divider />
          {MORE.map(([name, Icon]) => (
            <Menu.Item key={name} leftSection={<Icon size={18} />} onClick={action(name).run}>
              {t(`actions.${name}`)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <CaptureItems />
          <Menu.Divider />
          {LAYOUTS.slice(0, PHONE_LAYOUTS).map((each) => (
            <LayoutItem key={each} layout={each} isChosen={layout === each} />
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

interface BarButtonProps extends React.ComponentPropsWithRef<'button'> {
  icon: LucideIcon;
  label: string;
  isOn?: boolean;
  isDisabled?: boolean;
}

function BarButton({ icon: Icon, label, isOn, isDisabled, ...rest }: BarButtonProps) {
  return (
    <button {...rest} type="button" className={classes.button} aria-pressed={isOn} disabled={isDisabled}>
      <Icon size={20} strokeWidth={1.75} aria-hidden />
      <span>{label}</span>
    </button>
  );
}
