import { ActionIcon, Tooltip } from '@mantine/core';
import {
  ArrowDownUp,
  Contrast,
  Brush,
  Crosshair,
  Diff,
  Eclipse,
  FlipHorizontal2,
  FlipVertical2,
  Hand,
  type LucideIcon,
  Maximize,
  PanelLeft,
  Play,
  RotateCcw,
  RotateCw,
  Ruler,
  ScanSearch,
  Settings2,
  Star,
  SquareDashedMousePointer,
  Tags,
  Text,
  Undo2,
  ZoomIn,
} from 'lucide-react';
import { useBinding } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { isRun } from '../data/subtraction';
import { useTexts } from '../i18n';
import { useSegments } from '../segments/draft';
import { useObjects } from '../state/objects';
import { NAVIGATION, type Navigation, stackOf, useViewer } from '../state/store';
import { type Action, action, type ActionName } from '../tools/actions';
import { CaptureMenu } from './CaptureMenu';
import { LayoutMenu } from './LayoutMenu';
import { MarkMenu } from './MarkMenu';
import { PlanesMenu } from './PlanesMenu';
import { SpaceMenu } from './SpaceMenu';
import classes from './Toolbar.module.css';
import { WindowMenu } from './WindowMenu';

const TOOL_ICONS: Record<Navigation, LucideIcon> = {
  window: Contrast,
  scroll: ArrowDownUp,
  pan: Hand,
  zoom: ScanSearch,
  region: SquareDashedMousePointer,
  magnify: ZoomIn,
  crosshair: Crosshair,
};
interface ActionButtonProps {
  action: Action;
  icon: LucideIcon;
  isOn?: boolean;
  isDisabled?: boolean;
}

/** A button that says what it does and by which key. */
export function ActionButton({ action: { name, run }, icon: Icon, isOn, isDisabled }: ActionButtonProps) {
  const t = useTexts();
  const label = t(`actions.${name}`);
  const key = useBinding(`viewer.${name}`);
  return (
    <Tooltip
      label={
        <span className={classes.tip}>
          {label}
          {key && <Keycaps binding={key} />}
        </span>
      }
    >
      <ActionIcon
        className={classes.button}
        size={30}
        aria-label={label}
        aria-pressed={isOn}
        disabled={isDisabled}
        onClick={run}
      >
        <Icon size={18} strokeWidth={1.75} />
      </ActionIcon>
    </Tooltip>
  );
}

const TOOL_ACTIONS: Record<Navigation, ActionName> = {
  window: 'toolWindow',
  scroll: 'toolScroll',
  pan: 'toolPan',
  zoom: 'toolZoom',
  region: 'toolRegion',
  magnify: 'toolMagnify',
  crosshair: 'toolCrosshair',
};

export function Toolbar() {
  const t = useTexts();
  const tool = useViewer((state) => state.tool);
  const isInverted = useViewer((state) => state.panes[state.active].isInverted);
  const isPlaying = useViewer((state) => state.panes[state.active].isPlaying);
  const canPlay = useViewer((state) => (stackOf(state, state.active)?.frames.length ?? 0) > 1);
  const canSubtract = useViewer((state) => isRun(stackOf(state, state.active)?.frames ?? []));
  const isSubtracted = useViewer((state) => state.panes[state.active].subtraction !== null);
  const hasOverlay = useViewer((state) => state.hasOverlay);
  const hasStrip = useViewer((state) => state.hasStrip);
  const hasMeasurements = useViewer((state) => state.hasMeasurements);
  const hasObjects = useObjects((state) => state.hasPanel);
  const hasSegments = useSegments((state) => state.hasPanel);
  const hasTags = useViewer((state) => state.hasTags);
  return (
    <div className={classes.toolbar} role="toolbar" aria-label={t('toolbar')}>
      <div className={classes.group}>
        {NAVIGATION.map((each) => (
          <ActionButton
            key={each}
            action={action(TOOL_ACTIONS[each])}
            icon={TOOL_ICONS[each]}
            isOn={tool === each}
          />
        ))}
        <MarkMenu />
      </div>
      <div className={classes.group}>
        <WindowMenu />
        <ActionButton action={action('invert')} icon={Eclipse} isOn={isInverted} />
      </div>
      <div className={classes.group}>
        <ActionButton action={action('fit')} icon={Maximize} />
        <ActionButton action={action('oneToOne')} icon={OneToOne} />
        <ActionButton action={action('rotateLeft')} icon={RotateCcw} />
        <ActionButton action={action('rotateRight')} icon={RotateCw} />
        <ActionButton action={action('flipHorizontally')} icon={FlipHorizontal2} />
        <ActionButton action={action('flipVertically')} icon={FlipVertical2} />
        <ActionButton action={action('reset')} icon={Undo2} />
      </div>
      <div className={classes.group}>
        <ActionButton action={action('play')} icon={Play} isOn={isPlaying} isDisabled={!canPlay} />
        {canSubtract && <ActionButton action={action('subtract')} icon={Diff} isOn={isSubtracted} />}
        <LayoutMenu />
        <SpaceMenu />
        <PlanesMenu />
        <CaptureMenu />
      </div>
      <div className={classes.group}>
        <ActionButton action={action('strip')} icon={PanelLeft} isOn={hasStrip} />
        <ActionButton action={action('overlay')} icon={Text} isOn={hasOverlay} />
        <ActionButton action={action('measurements')} icon={Ruler} isOn={hasMeasurements} />
        <ActionButton action={action('objects')} icon={Star} isOn={hasObjects} />
        <ActionButton action={action('segments')} icon={Brush} isOn={hasSegments} />
        <ActionButton action={action('tags')} icon={Tags} isOn={hasTags} />
        <ActionButton action={action('preferences')} icon={Settings2} />
      </div>
    </div>
  );
}

/** `1:1`, for which there is no drawing that people know. */
const OneToOne = (() => <span className={classes.ratio}>1:1</span>) as unknown as LucideIcon;

export { TOOL_ICONS };
