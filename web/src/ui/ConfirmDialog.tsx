import { Alert, Button, Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Dialog } from './Dialog';

/** Asks before something that cannot be undone. The focus starts on the safe answer. */
export function ConfirmDialog(props: {
  opened: boolean;
  title: string;
  text: ReactNode;
  action: string;
  isBusy: boolean;
  error: Error | null;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={props.title} size="sm">
      <Text size="sm">{props.text}</Text>
      {props.error && (
        <Alert color="red" mt="md" variant="light">
          {props.error.message}
        </Alert>
      )}
      <Group justify="flex-end" mt="lg" gap="xs">
        <Button variant="default" onClick={props.onClose} data-autofocus>
          {t('action.cancel')}
        </Button>
        <Button color="red" onClick={props.onConfirm} loading={props.isBusy}>
          {props.action}
        </Button>
      </Group>
    </Dialog>
  );
}
