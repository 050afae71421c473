import { Switch, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { create } from 'zustand';
import { areSingleKeysOn, setSingleKeysOn, useRegisteredHotkeys } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { Dialog } from '@/ui/Dialog';
import classes from './CheatSheet.module.css';

const useCheatSheet = create<{ isOpen: boolean }>(() => ({ isOpen: false }));

export const cheatSheet = {
  open: () => useCheatSheet.setState({ isOpen: true }),
  close: () => useCheatSheet.setState({ isOpen: false }),
};

/** All keys that work on the page behind it, as the registry knows them. */
export function CheatSheet() {
  const { t } = useTranslation();
  const isOpen = useCheatSheet((state) => state.isOpen);
  const hotkeys = useRegisteredHotkeys();
  const groups = Map.groupBy(hotkeys, (hotkey) => hotkey.group);
  return (
    <Dialog opened={isOpen} onClose={cheatSheet.close} title={t('hotkeys.title')} size="lg">
      <div className={classes.groups}>
        {[...groups].map(([group, members]) => (
          <section key={group}>
            <Text component="h3" size="xs" c="dimmed" fw={600} mb={6}>
              {group}
            </Text>
            <dl className={classes.keys}>
              {members.map((hotkey) => (
                <div key={hotkey.id}>
                  <dt>{hotkey.label}</dt>
                  <dd>
                    {hotkey.keys
                      .filter(
                        (binding) =>
                          !hotkey.keys.includes(binding.replace(/^Shift\+/, '')) ||
                          !/^Shift\+./.test(binding),
                      )
                      .map((binding) => (
                        <Keycaps key={binding} binding={binding} />
                      ))}
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
