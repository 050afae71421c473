import { Button, Menu, Tooltip } from '@mantine/core';
import { File as FileIcon, Folder, Upload } from 'lucide-react';
import { type ChangeEvent, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { addFiles } from './uploads';
import { filesOfInput } from './walk';
import classes from './UploadButton.module.css';

const ICON = { size: 15, strokeWidth: 1.75 } as const;

/** Choose files or a folder; dropping them anywhere on the page does the same. */
export function UploadButton() {
  const { t } = useTranslation();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const choose = (event: ChangeEvent<HTMLInputElement>) => {
    addFiles(filesOfInput(event.currentTarget.files ?? []));
    event.currentTarget.value = ''; // the same choice again is a choice
  };
  return (
    <>
      <Menu width={190}>
        <Menu.Target>
          <Tooltip label={t('upload.hint')}>
            <Button leftSection={<Upload size={15} />} className={classes.button}>
              <span className={classes.text}>{t('upload.action')}</span>
            </Button>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<FileIcon {...ICON} />} onClick={() => files.current?.click()}>
            {t('upload.files')}
          </Menu.Item>
          <Menu.Item leftSection={<Folder {...ICON} />} onClick={() => folder.current?.click()}>
            {t('upload.folder')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <input ref={files} type="file" multiple hidden onChange={choose} data-testid="upload-files" />
      <input ref={folder} type="file" multiple hidden onChange={choose} {...{ webkitdirectory: '' }} />
    </>
  );
}
