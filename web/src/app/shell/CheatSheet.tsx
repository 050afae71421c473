import { Button, Group, Switch, Text } from '@mantine/core';
import { Pencil } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { create } from 'zustand';
import { usePreferences } from '@/api/preferences';
import { areSingleKeysOn, type Hotkey, setSingleKeysOn, useRegisteredHotkeys } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { Dialog } from '@/ui/Dialog';
import classes from './CheatSheet.module.css';
import { KeyEditor } from './KeyEditor';
import { resetAllKeys } from './ownKeys';

const useCheatSheet = create<{ isOpen: boolean }>(() => ({ isOpen: false }));

export const cheatSheet = {
  open: () => useCheatSheet.setState({ isOpen: true }),
  close: () => useCheatSheet.setState({ isOpen: false }),
};

/** `?` needs no second drawing because it is struck with Shift. */
const drawn = ({ keys }: Hotkey): string[] =>
  keys.filter((binding) => !keys.includes(binding.replace(/^Shift\+/, '')) || !/^Shift\+./.test(binding));

/** All keys that work on the page behind it, as the registry knows them, and where a person changes them. */
export function CheatSheet() {
  const { t } = useTranslation();
  const isOpen = useCheatSheet((state) => state.isOpen);
  const [isEditing, setIsEditing] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const hotkeys = useRegisteredHotkeys();
  const failure = usePreferences((state) => state.failure);
  const own = usePreferences(({ values }) => values.hotkeys);
  const groups = Map.groupBy(hotkeys, (hotkey) => hotkey.group);
  const close = () => {
    setChosen(null);
    setIsEditing(false);
    cheatSheet.close();
  };
  return (
    <Dialog
      opened={isOpen}
      onClose={close}
      closeOnEscape={chosen === null}
      title={t('hotkeys.title')}
      size="xl"
    >
      <Group mb="md" gap="xs">
        <Button
          size="xs"
          variant={isEditing ? 'filled' : 'default'}
          leftSection={<Pencil size={14} />}
          aria-pressed={isEditing}
          onClick={() => {
            setChosen(null);
            setIsEditing(!isEditing);
          }}
        >
          {t('hotkeys.change')}
        </Button>
        {isEditing && (
          <Button size="xs" variant="default" disabled={own === undefined} onClick={resetAllKeys}>
            {t('hotkeys.resetAll')}
          </Button>
        )}
        {failure && (
          <Text size="sm" c="red" role="alert">
            {t('hotkeys.notSaved', { reason: failure.message })}
          </Text>
        )}
      </Group>
      <div className={classes.groups}>
        {[...groups].map(([group, members]) => (
          <section key={group}>
            <Text component="h3" size="xs" c="dimmed" fw={600} mb={6}>
              {group}
            </Text>
            <dl className={classes.keys}>
              {members.map((hotkey) => (
                <div key={hotkey.id} data-hotkey={hotkey.id}>
                  <dt>{hotkey.label}</dt>
                  <dd>
                    {chosen === hotkey.id ? (
                      <KeyEditor hotkey={hotkey} onDone={() => setChosen(null)} />
                    ) : (
                      <>
                        {drawn(hotkey).map((binding) => (
                          <Keycaps key={binding} binding={binding} />
                        ))}
                        {hotkey.keys.length === 0 && (
                          <span className={classes.none}>{t('hotkeys.none')}</span>
                        )}
                        {isEditing && (
                          <button
                            type="button"
                            className={classes.edit}
                            aria-label={t('hotkeys.changeOf', { label: hotkey.label })}
                            onClick={() => setChosen(hotkey.id)}
                          >
                            <Pencil size={13} />
                          </button>
                        )}
                      </>
                    )}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <Switch
        mt="lg"
        label={t('hotkeys.single')}
        description={t('hotkeys.singleText')}
        checked={areSingleKeysOn()}
        onChange={(event) => setSingleKeysOn(event.currentTarget.checked)}
      />
    </Dialog>
  );
}
