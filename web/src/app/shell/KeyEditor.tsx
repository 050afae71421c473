import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { bindingOf, defaultKeys, type Hotkey, ownerOf, useRegisteredHotkeys } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import classes from './CheatSheet.module.css';
import { chooseKeys, resetKeys } from './ownKeys';

/** Waits for a key; one that is taken is given over only after the person has seen from what. */
export function KeyEditor({ hotkey, onDone }: { hotkey: Hotkey; onDone: () => void }) {
  const { t } = useTranslation();
  const hotkeys = useRegisteredHotkeys();
  const [taken, setTaken] = useState<{ binding: string; owner: Hotkey } | null>(null);

  useEffect(() => {
    if (taken) return undefined;
    const hear = (event: KeyboardEvent): void => {
      event.stopPropagation();
      if (event.key === 'Tab') return; // leads to the buttons
      const target = event.target instanceof Element ? event.target : null;
      if ((event.key === 'Enter' || event.key === ' ') && target?.closest('[data-editor] button')) return;
      event.preventDefault();
      if (event.key === 'Escape') {
        onDone();
        return;
      }
      const binding = bindingOf(event);
      if (binding === null) return;
      const owner = ownerOf(binding, hotkeys, hotkey.id);
      if (owner) setTaken({ binding, owner });
      else {
        chooseKeys(hotkey.id, [binding]);
        onDone();
      }
    };
    // Before the dialog and the page hear it.
    window.addEventListener('keydown', hear, { capture: true });
    return () => window.removeEventListener('keydown', hear, { capture: true });
  }, [taken, hotkeys, hotkey.id, onDone]);

  const finish = (action: () => void) => () => {
    action();
    onDone();
  };
  return (
    <span className={classes.editor} data-editor>
      {taken ? (
        <>
          <span role="alert">
            <Keycaps binding={taken.binding} /> {t('hotkeys.taken', { label: taken.owner.label })}
          </span>
          <Button
            size="compact-xs"
            autoFocus
            onClick={finish(() => {
              chooseKeys(
                taken.owner.id,
                taken.owner.keys.filter((key) => key !== taken.binding),
              );
              chooseKeys(hotkey.id, [taken.binding]);
            })}
          >
            {t('hotkeys.take')}
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => setTaken(null)}>
            {t('hotkeys.other')}
          </Button>
        </>
      ) : (
        <>
          <span role="status">{t('hotkeys.press')}</span>
          <Button size="compact-xs" variant="default" onClick={finish(() => chooseKeys(hotkey.id, []))}>
            {t('hotkeys.none')}
          </Button>
          {defaultKeys(hotkey.id).join() !== hotkey.keys.join() && (
            <Button size="compact-xs" variant="default" onClick={finish(() => resetKeys(hotkey.id))}>
              {t('hotkeys.reset')}
            </Button>
          )}
        </>
      )}
    </span>
  );
}
