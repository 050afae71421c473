import { CopyButton, Tooltip, UnstyledButton } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import classes from './Uid.module.css';

/** A UID: long, seldom read, often copied. */
export function Uid({ value }: { value: string }) {
  const { t } = useTranslation();
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t('action.copied') : value} multiline maw={420}>
          <UnstyledButton
            className={classes.uid}
            onClick={copy}
            aria-label={t('action.copyNamed', { text: value })}
          >
            {value}
          </UnstyledButton>
        </Tooltip>
      )}
    </CopyButton>
  );
}
