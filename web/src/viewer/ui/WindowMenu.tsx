import { Button, Menu } from '@mantine/core';
import { Check, ChevronDown } from 'lucide-react';
import { useRegisteredHotkeys } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { useTexts } from '../i18n';
import { isColour } from '../lut/pixels';
import { ownVois, type Voi } from '../lut/voi';
import { usePresetsOf } from '../prefs/windows';
import { changePane, stackOf, useViewer } from '../state/store';
import { action, applyPreset } from '../tools/actions';
import { presetLabel, shortNumber } from './Overlay';
import classes from './WindowMenu.module.css';

interface Choice {
  key: string;
  label: string;
  detail: string;
  binding: string | undefined;
  isChosen: boolean;
  run: () => void;
}

const windowDetail = (voi: Voi): string =>
  voi.kind === 'window' ? `${shortNumber(voi.width)} / ${shortNumber(voi.center)}` : '';

/** The windows that make sense for what is shown: the modality's, the image's own, an automatic one. */
export function useWindowChoices(): Choice[] {
  const t = useTexts();
  const pane = useViewer((state) => state.panes[state.active]);
  const active = useViewer((state) => state.active);
  const stack = useViewer((state) => stackOf(state, state.active));
  const presets = usePresetsOf(stack?.modality ?? '');
  const keys = new Map(useRegisteredHotkeys().map((hotkey) => [hotkey.id, hotkey.keys[0]]));
  if (!stack) return [];
  const frame = stack.frames[pane.shown ?? pane.index];
  const chosen = pane.voi.kind === 'set' ? pane.voi.name : null;
  const pixels = frame?.instance.pixels;
  if (pixels && isColour(pixels)) {
    return [
      {
        key: 'colours',
        label: t('presets.colours'),
        detail: '',
        binding: keys.get('viewer.ownWindow'),
        isChosen: pane.voi.kind === 'own',
        run: action('ownWindow').run,
      },
    ];
  }
  const own = frame ? ownVois(frame) : [];
  const ownName = (voi: Voi, which: number): string => {
    if (voi.explanation) return voi.explanation;
    if (voi.kind === 'table') return t('presets.table');
    return own.length > 1 ? t('presets.ownNumbered', { number: which + 1 }) : t('presets.own');
  };
  return [
    ...presets.map(({ name, center, width }, which) => ({
      key: name,
      label: presetLabel(t, name),
      detail: `${width} / ${center}`,
      binding: keys.get(`viewer.preset${which + 1}`),
      isChosen: chosen === name,
      run: () => applyPreset(which),
    })),
    ...(own.length > 0
      ? own.map((voi, which) => ({
          key: `own${which}`,
          label: ownName(voi, which),
          detail: windowDetail(voi),
          binding:
            presets.length === 0
              ? keys.get(`viewer.preset${which + 1}`)
              : which === 0
                ? keys.get('viewer.ownWindow')
                : undefined,
          isChosen: pane.voi.kind === 'own' && pane.voi.which === which,
          run: () => changePane(active, { voi: { kind: 'own', which } }),
        }))
      : []),
    {
      key: 'automatic',
      label: t('presets.automatic'),
      detail: '',
      binding: keys.get('viewer.automaticWindow'),
      isChosen: chosen === 'automatic' || (pane.voi.kind === 'own' && own.length === 0),
      run: action('automaticWindow').run,
    },
  ];
}

export function WindowItems() {
  const choices = useWindowChoices();
  return choices.map((choice) => (
    <Menu.Item
      key={choice.key}
      leftSection={<Check size={14} className={classes.check} data-chosen={choice.isChosen || undefined} />}
      rightSection={
        <span className={classes.right}>
          <span className={classes.detail}>{choice.detail}</span>
          {choice.binding && <Keycaps binding={choice.binding} />}
        </span>
      }
      onClick={choice.run}
    >
      {choice.label}
    </Menu.Item>
  ));
}

export function WindowMenu() {
  const t = useTexts();
  const chosen = useWindowChoices().find(({ isChosen }) => isChosen);
  return (
    <Menu width={290}>
      <Menu.Target>
        <Button
          className={classes.target}
          variant="subtle"
          color="gray"
          size="xs"
          rightSection={<ChevronDown size={14} />}
          aria-label={`${t('window')}: ${chosen?.label ?? ''}`}
        >
          {chosen?.label ?? t('window')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <WindowItems />
      </Menu.Dropdown>
    </Menu>
  );
}
