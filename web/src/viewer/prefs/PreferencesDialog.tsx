import { Button, Checkbox, Group, Select, Stack, Switch, Tabs, Text } from '@mantine/core';
import { Keyboard } from 'lucide-react';
import { setPreference, usePreferences } from '@/api/preferences';
import { useRegisteredHotkeys } from '@/lib/hotkeys';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { LAYOUTS } from '../state/store';
import { PREFERENCE_TABS, type PreferenceTab, preferencesDialog, usePreferencesDialog } from './dialog';
import { DRAGS, type Mouse, readMouse, THUMBS, WHEELS } from './mouse';
import { OVERLAY_PARTS, LEAVINGS, chooseView, useViewChoice } from './view';
import { WindowsTab } from './WindowsTab';

/** What a person sets for the viewer. It is kept on the server, and there in the next browser. */
export function PreferencesDialog() {
  const t = useTexts();
  const tab = usePreferencesDialog((state) => state.tab);
  const failure = usePreferences((state) => state.failure);
  const keys = useRegisteredHotkeys().find(({ id }) => id === 'app.keys');
  return (
    <Dialog opened={tab !== null} onClose={preferencesDialog.close} title={t('prefs.title')} size="lg">
      <Tabs
        value={tab ?? 'mouse'}
        onChange={(value) => {
          const next = PREFERENCE_TABS.find((each) => each === value);
          if (next) preferencesDialog.open(next);
        }}
      >
        <Tabs.List mb="md">
          {PREFERENCE_TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`prefs.tabs.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {PREFERENCE_TABS.map((each) => (
          <Tabs.Panel key={each} value={each}>
            <Panel tab={each} />
          </Tabs.Panel>
        ))}
      </Tabs>
      <Group mt="lg" justify="space-between">
        <Text size="sm" c={failure ? 'red' : 'dimmed'} role={failure ? 'alert' : undefined}>
          {failure ? t('prefs.notSaved', { reason: failure.message }) : t('prefs.saved')}
        </Text>
        {keys && (
          <Button
            size="xs"
            variant="default"
            leftSection={<Keyboard size={15} />}
            onClick={() => {
              preferencesDialog.close();
              keys.run(new KeyboardEvent('keydown'));
            }}
          >
            {t('prefs.keys')}
          </Button>
        )}
      </Group>
    </Dialog>
  );
}

function Panel({ tab }: { tab: PreferenceTab }) {
  if (tab === 'mouse') return <MouseTab />;
  return tab === 'windows' ? <WindowsTab /> : <ViewTab />;
}

function MouseTab() {
  const t = useTexts();
  const kept = usePreferences(({ values }) => values.mouse);
  const mouse = readMouse(kept);
  const change = (part: Partial<Mouse>): void => setPreference('mouse', { ...mouse, ...part });
  const drags = DRAGS.map((value) => ({ value, label: t(`tools.${value}`) }));
  const thumbs = THUMBS.map((value) => ({
    value,
    label: value === 'none' ? t('prefs.mouse.none') : t(`actions.${value}`),
  }));
  const choose = <Name extends 'left' | 'middle' | 'right' | 'wheel' | 'back' | 'forward'>(
    name: Name,
    data: { value: Mouse[Name]; label: string }[],
  ) => (
    <Select
      label={t(`prefs.mouse.${name}`)}
      data={data}
      value={mouse[name]}
      allowDeselect={false}
      onChange={(value) => {
        if (value) change({ [name]: value });
      }}
    />
  );
  // Two buttons that do the same are allowed, and said: it may be wanted, or a slip.
  const same = DRAGS.filter(
    (drag) => [mouse.left, mouse.middle, mouse.right].filter((each) => each === drag).length > 1,
  );
  return (
    <Stack gap="sm">
      {choose('left', drags)}
      {choose('middle', drags)}
      {choose('right', drags)}
      {same.map((drag) => (
        <Text key={drag} size="sm" c="yellow" role="status">
          {t('prefs.mouse.same', { tool: t(`tools.${drag}`) })}
        </Text>
      ))}
      {choose(
        'wheel',
        WHEELS.map((value) => ({ value, label: t(`tools.${value}`) })),
      )}
      <Switch
        label={t('prefs.mouse.reversed')}
        checked={mouse.isWheelReversed}
        onChange={(event) => change({ isWheelReversed: event.currentTarget.checked })}
      />
      {choose('back', thumbs)}
      {choose('forward', thumbs)}
      <Group>
        <Button
          size="xs"
          variant="default"
          disabled={kept === undefined}
          onClick={() => setPreference('mouse', undefined)}
        >
          {t('prefs.reset')}
        </Button>
      </Group>
    </Stack>
  );
}

function ViewTab() {
  const t = useTexts();
  const view = useViewChoice();
  return (
    <Stack gap="sm">
      <Select
        label={t('prefs.view.layout')}
        data={LAYOUTS.map((value) => ({ value, label: value.replace('x', ' × ') }))}
        value={view.layout}
        allowDeselect={false}
        onChange={(value) => {
          const layout = LAYOUTS.find((each) => each === value);
          if (layout) chooseView({ layout });
        }}
      />
      <Switch
        label={t('prefs.view.strip')}
        checked={view.hasStrip}
        onChange={(event) => chooseView({ hasStrip: event.currentTarget.checked })}
      />
      <Switch
        label={t('prefs.view.overlay')}
        checked={view.hasOverlay}
        onChange={(event) => chooseView({ hasOverlay: event.currentTarget.checked })}
      />
      <Select
        label={t('prefs.view.leaving')}
        data={LEAVINGS.map((value) => ({ value, label: t(`prefs.view.leavings.${value}`) }))}
        value={view.leaving}
        allowDeselect={false}
        onChange={(value) => {
          const leaving = LEAVINGS.find((each) => each === value);
          if (leaving) chooseView({ leaving });
        }}
      />
      <Text size="sm" fw={600}>
        {t('prefs.view.parts')}
      </Text>
      {OVERLAY_PARTS.map((part) => (
        <Checkbox
          key={part}
          label={t(`prefs.view.part.${part}`)}
          checked={!view.hidden.includes(part)}
          onChange={(event) =>
            chooseView({
              hidden: event.currentTarget.checked
                ? view.hidden.filter((each) => each !== part)
                : [...view.hidden, part],
            })
          }
        />
      ))}
      <Group>
        <Button size="xs" variant="default" onClick={() => setPreference('view', undefined)}>
          {t('prefs.reset')}
        </Button>
      </Group>
    </Stack>
  );
}
