import { Menu } from '@mantine/core';
import { Bookmark, Check, List } from 'lucide-react';
import { useBinding } from '@/lib/hotkeys';
import { Keycaps } from '@/ui/Keycaps';
import { useTexts } from '../i18n';
import classes from './Hanging.module.css';
import { hangBy } from './hang';
import { useHanging } from './state';

/** As many as a menu shows without scrolling; the keys go through all. */
const SHOWN_MAX = 6;

/** The protocols that are for the study, the one in use marked. */
export function HangingItems() {
  const t = useTexts();
  const matches = useHanging((state) => state.matches);
  const current = useHanging((state) => state.current);
  const next = useBinding('viewer.nextProtocol');
  const remember = useBinding('viewer.rememberHanging');
  const list = useBinding('viewer.hangingProtocols');
  const item = (at: number | null, name: string) => (
    <Menu.Item
      key={at}
      role="menuitemradio"
      aria-checked={at === current}
      leftSection={<Check size={14} className={classes.check} data-on={at === current || undefined} />}
      onClick={() => void hangBy(at)}
    >
      {name}
    </Menu.Item>
  );
  return (
    <>
      <Menu.Label className={classes.label}>
        <span>{t('hanging.menu')}</span>
        {next && <Keycaps binding={next} />}
      </Menu.Label>
      {matches.slice(0, SHOWN_MAX).map(({ protocol }, at) => item(at, protocol.name))}
      {matches.length > 0 && item(null, t('hanging.asOpened'))}
      {matches.length === 0 && <Menu.Item disabled>{t('hanging.none')}</Menu.Item>}
      <Menu.Item
        leftSection={<Bookmark size={14} />}
        rightSection={remember && <Keycaps binding={remember} />}
        onClick={() => useHanging.setState({ dialog: 'remember' })}
      >
        {t('actions.rememberHanging')} …
      </Menu.Item>
      <Menu.Item
        leftSection={<List size={14} />}
        rightSection={list && <Keycaps binding={list} />}
        onClick={() => useHanging.setState({ dialog: 'list' })}
      >
        {t('actions.hangingProtocols')} …
      </Menu.Item>
    </>
  );
}
