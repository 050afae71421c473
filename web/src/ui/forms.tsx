import { Alert, Button, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Unreachable } from '@/lib/errors';

/** Why a form was not taken, in the server's words. */
export function FormError({ error }: { error: Error | null }) {
  const { t } = useTranslation();
  if (!error) return null;
  return (
    <Alert color="red" variant="light" role="alert">
      {error instanceof Unreachable ? t('error.unreachable') : error.message}
    </Alert>
  );
}

export function FormButtons(props: { action: string; isBusy: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Group justify="flex-end" gap="xs">
      <Button variant="default" onClick={props.onClose}>
        {t('action.cancel')}
      </Button>
      <Button type="submit" loading={props.isBusy}>
        {props.action}
      </Button>
    </Group>
  );
}
