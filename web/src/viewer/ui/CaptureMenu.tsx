import { ActionIcon, Menu, Tooltip } from '@mantine/core';
import { Camera } from 'lucide-react';
import { useTexts } from '../i18n';
import { ActionItem } from './SpaceMenu';
import toolbarClasses from './Toolbar.module.css';

/** What a viewport shows, as a file. */
export function CaptureMenu() {
  const t = useTexts();
  return (
    <Menu width={330}>
      <Menu.Target>
        <Tooltip label={t('capture.title')}>
          <ActionIcon className={toolbarClasses.button} size={30} aria-label={t('capture.title')}>
            <Camera size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <CaptureItems />
      </Menu.Dropdown>
    </Menu>
  );
}

export function CaptureItems() {
  const t = useTexts();
  return (
    <>
      <Menu.Label>{t('capture.asShown')}</Menu.Label>
      <ActionItem name="savePicture" />
      <ActionItem name="savePictureAnonymously" />
      <ActionItem name="saveFilm" />
      <ActionItem name="print" />
      <Menu.Label>{t('download.title')}</Menu.Label>
      <ActionItem name="downloadStudy" />
      <ActionItem name="downloadSeries" />
      <ActionItem name="downloadInstance" />
      <ActionItem name="downloadJpeg" />
    </>
  );
}
