import { ActionIcon, Button, Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { ArrowUp, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { setPreference, usePreferences } from '@/api/preferences';
import { useRegisteredHotkeys } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { useTexts } from '../i18n';
import type { Preset } from '../lut/presets';
import { stackOf, useViewer } from '../state/store';
import { presetLabel } from '../ui/Overlay';
import { PRESETS_MAX, presetsIn, readPresets } from './windows';
import classes from './WindowsTab.module.css';

const MODALITIES = ['CT', 'MR', 'PT', 'NM', 'CR', 'DX', 'MG', 'XA', 'RF', 'US', 'OT'];

/** The windows of one modality: names, values, and the key of each by its place. */
export function WindowsTab() {
  const t = useTexts();
  const shown = useViewer((state) => stackOf(state, state.active)?.modality ?? 'CT');
  const [modality, setModality] = useState(shown);
  const own = readPresets(usePreferences(({ values }) => values.windowPresets));
  const bindings = new Map(useRegisteredHotkeys().map(({ id, keys }) => [id, keys[0]]));
  const presets = presetsIn(own, modality);
  const save = (next: readonly Preset[]): void =>
    setPreference('windowPresets', { ...own, [modality]: next });
  const change = (at: number, part: Partial<Preset>): void =>
    save(presets.map((preset, which) => (which === at ? { ...preset, ...part } : preset)));
  const reset = (): void =>
    setPreference(
      'windowPresets',
      Object.fromEntries(Object.entries(own).filter(([each]) => each !== modality)),
    );
  return (
    <Stack gap="sm">
      <Select
        label={t('prefs.windows.modality')}
        data={[...new Set([modality, ...MODALITIES])]}
        value={modality}
        allowDeselect={false}
        onChange={(value) => setModality(value ?? modality)}
      />
      {presets.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('prefs.windows.none')}
        </Text>
      )}
      {presets.map((preset, at) => {
        const number = at + 1;
        const binding = bindings.get(`viewer.preset${number}`);
        return (
          <div
            key={`${modality} ${at}`}
            className={classes.row}
            role="group"
            aria-label={presetLabel(t, preset.name)}
          >
            <span className={classes.key}>{binding && <Keycaps binding={binding} />}</span>
            <TextInput
              aria-label={t('prefs.windows.name', { number })}
              maxLength={40}
              value={presetLabel(t, preset.name)}
              onChange={(event) => {
                if (event.currentTarget.value !== '') change(at, { name: event.currentTarget.value });
              }}
            />
            <NumberInput
              aria-label={t('prefs.windows.width', { number })}
              min={1}
              max={1e6}
              value={preset.width}
              onChange={(value) => {
                if (typeof value === 'number' && value >= 1) change(at, { width: value });
              }}
            />
            <NumberInput
              aria-label={t('prefs.windows.center', { number })}
              min={-1e6}
              max={1e6}
              value={preset.center}
              onChange={(value) => {
                if (typeof value === 'number') change(at, { center: value });
              }}
            />
            <ActionIcon
              aria-label={t('prefs.windows.up', { number })}
              disabled={at === 0}
              onClick={() => {
                const next = [...presets];
                next.splice(at - 1, 0, ...next.splice(at, 1));
                save(next);
              }}
            >
              <ArrowUp size={15} />
            </ActionIcon>
            <ActionIcon
              aria-label={t('prefs.windows.remove', { number })}
              onClick={() => save(presets.filter((_, which) => which !== at))}
            >
              <Trash2 size={15} />
            </ActionIcon>
          </div>
        );
      })}
      <Group>
        <AddButton
          isFull={presets.length >= PRESETS_MAX}
          modality={modality}
          onAdd={(preset) => save([...presets, preset])}
        />
        <Button size="xs" variant="default" disabled={own[modality] === undefined} onClick={reset}>
          {t('prefs.reset')}
        </Button>
      </Group>
    </Stack>
  );
}

/** Adds the window that is on the screen, if it is of this modality. */
function AddButton(props: { isFull: boolean; modality: string; onAdd: (preset: Preset) => void }) {
  const t = useTexts();
  const voi = useViewer((state) =>
    stackOf(state, state.active)?.modality === props.modality ? state.panes[state.active].shownVoi : null,
  );
  const { center, width } = voi?.kind === 'window' && voi.width >= 1 ? voi : { center: 40, width: 400 };
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<Plus size={15} />}
      disabled={props.isFull}
      onClick={() => props.onAdd({ name: t('prefs.windows.new'), center, width })}
    >
      {t('prefs.windows.add')}
    </Button>
  );
}
