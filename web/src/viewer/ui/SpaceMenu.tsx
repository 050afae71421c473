import { ActionIcon, Menu, Tooltip } from '@mantine/core';
import { Axis3d, Check } from 'lucide-react';
import { Keycaps } from '@/ui/Keycaps';
import { useTexts } from '../i18n';
import { useSpace } from '../state/space';
import { action, type ActionName } from '../tools/actions';
import { tell } from '../tools/spatial';
import classes from './SpaceMenu.module.css';
import toolbarClasses from './Toolbar.module.css';

/** Links between viewports, reference lines, and sizes. */
export function SpaceMenu() {
  const t = useTexts();
  return (
    <Menu width={330}>
      <Menu.Target>
        <Tooltip label={t('space.title')}>
          <ActionIcon className={toolbarClasses.button} size={30} aria-label={t('space.title')}>
            <Axis3d size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <SpaceItems />
      </Menu.Dropdown>
    </Menu>
  );
}

export function ActionItem({ name, isOn }: { name: ActionName; isOn?: boolean }) {
  const t = useTexts();
  const { keys, run } = action(name);
  return (
    <Menu.Item
      leftSection={<Check size={14} className={classes.check} data-on={isOn || undefined} />}
      rightSection={keys[0] && <Keycaps binding={keys[0]} />}
      aria-checked={isOn}
      role={isOn === undefined ? undefined : 'menuitemcheckbox'}
      onClick={run}
    >
      {t(`actions.${name}`)}
    </Menu.Item>
  );
}

export function SpaceItems() {
  const t = useTexts();
  const links = useSpace((state) => state.links);
  const hasAnchors = useSpace((state) => Object.keys(state.anchors).length > 0);
  const hasReferenceLines = useSpace((state) => state.hasReferenceLines);
  const sizing = useSpace((state) => state.sizing);
  return (
    <>
      <Menu.Label>{t('space.linked')}</Menu.Label>
      <ActionItem name="linkPlace" isOn={links.place} />
      <ActionItem name="linkByHand" isOn={hasAnchors} />
      <ActionItem name="linkWindow" isOn={links.window} />
      <ActionItem name="linkView" isOn={links.view} />
      <Menu.Divider />
      <ActionItem name="referenceLines" isOn={hasReferenceLines} />
      <ActionItem name="sameSize" isOn={sizing !== 'fit'} />
      <ActionItem name="trueSize" />
      <ActionItem name="measureScreen" />
    </>
  );
}

/** Why something cannot be done, in words, until it is put away. */
export function NoticeBar() {
  const t = useTexts();
  const notice = useSpace((state) => state.notice);
  if (!notice) return null;
  return (
    <div className={classes.notice} role="alert">
      <span>{t(notice.text, notice.values)}</span>
      <button type="button" onClick={() => tell(null)}>
        {t('space.putAway')}
      </button>
    </div>
  );
}
