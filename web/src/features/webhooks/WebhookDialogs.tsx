import { Checkbox, Code, Radio, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import {
  addWebhook,
  changeWebhook,
  removeWebhook,
  rotateSecret,
  type WebhookFields,
  webhooksQuery,
} from '@/api/webhooks';
import type { CreatedWebhook, EventKind, Webhook } from '@/api/types';
import { ConfirmDialog } from '@/ui/ConfirmDialog';
import { Dialog } from '@/ui/Dialog';
import { FormButtons, FormError } from '@/ui/forms';
import { ShownOnce } from '@/ui/ShownOnce';

interface Values {
  url: string;
  description: string;
  which: 'all' | 'some';
  names: string[];
}

const fieldsOf = (values: Values): WebhookFields => ({
  url: values.url.trim(),
  description: values.description.trim(),
  names: values.which === 'all' ? null : values.names,
});

function useChange<Change, Result>(
  change: (values: Change) => Promise<Result>,
  onDone: (result: Result) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async (result) => {
      onDone(result);
      await queries.invalidateQueries({ queryKey: webhooksQuery.queryKey });
    },
  });
}

function WebhookForm(props: {
  initial: Values;
  kinds: readonly EventKind[];
  action: string;
  error: Error | null;
  isBusy: boolean;
  onSubmit: (fields: WebhookFields) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const form = useForm<Values>({
    initialValues: props.initial,
    validate: {
      url: (value) => (/^https?:\/\/./i.test(value.trim()) ? null : t('webhooks.urlWrong')),
      names: (value, { which }) => (which === 'all' || value.length > 0 ? null : t('webhooks.eventsMissing')),
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => props.onSubmit(fieldsOf(values)))} noValidate>
      <Stack gap="md">
        <FormError error={props.error} />
        <TextInput
          label={t('webhooks.url')}
          description={t('webhooks.urlText')}
          placeholder="https://"
          type="url"
          spellCheck={false}
          autoCapitalize="none"
          data-autofocus
          {...form.getInputProps('url')}
        />
        <TextInput
          label={t('webhooks.description')}
          placeholder={t('webhooks.descriptionPlaceholder')}
          maxLength={255}
          {...form.getInputProps('description')}
        />
        <Radio.Group label={t('webhooks.events')} {...form.getInputProps('which')}>
          <Stack gap={8} mt={8}>
            <Radio value="some" label={t('webhooks.someEvents')} />
            <Radio value="all" label={t('webhooks.allEvents')} description={t('webhooks.allEventsText')} />
          </Stack>
        </Radio.Group>
        {form.values.which === 'some' && (
          <Checkbox.Group label={t('webhooks.kinds')} {...form.getInputProps('names')}>
            <Stack gap={8} mt={8}>
              {props.kinds.map((kind) => (
                <Checkbox
                  key={kind.name}
                  value={kind.name}
                  label={<Code>{kind.name}</Code>}
                  description={kind.description}
                />
              ))}
            </Stack>
          </Checkbox.Group>
        )}
        <FormButtons action={props.action} isBusy={props.isBusy} onClose={props.onClose} />
      </Stack>
    </form>
  );
}

/** Makes a webhook, then shows its secret this once. */
export function AddWebhook(props: {
  kinds: readonly EventKind[];
  onCreated: (created: CreatedWebhook) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const adding = useChange(addWebhook, props.onCreated);
  return (
    <Dialog opened onClose={props.onClose} title={t('webhooks.add')} size="md">
      <WebhookForm
        initial={{ url: '', description: '', which: 'some', names: ['study_completed'] }}
        kinds={props.kinds}
        action={t('webhooks.add')}
        error={adding.error}
        isBusy={adding.isPending}
        onSubmit={(fields) => adding.mutate(fields)}
        onClose={props.onClose}
      />
    </Dialog>
  );
}

export function EditWebhook(props: { webhook: Webhook; kinds: readonly EventKind[]; onClose: () => void }) {
  const { t } = useTranslation();
  const { webhook } = props;
  const editing = useChange(
    (fields: WebhookFields) => changeWebhook(webhook.id, fields),
    () => {
      notifications.show({ message: t('webhooks.changed') });
      props.onClose();
    },
  );
  return (
    <Dialog opened onClose={props.onClose} title={t('webhooks.edit')} size="md">
      <WebhookForm
        initial={{
          url: webhook.url,
          description: webhook.description,
          which: webhook.names === null ? 'all' : 'some',
          names: webhook.names ?? [],
        }}
        kinds={props.kinds}
        action={t('action.save')}
        error={editing.error}
        isBusy={editing.isPending}
        onSubmit={(fields) => editing.mutate(fields)}
        onClose={props.onClose}
      />
    </Dialog>
  );
}

export function RemoveWebhook({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const { t } = useTranslation();
  const removing = useChange(
    () => removeWebhook(webhook.id),
    () => {
      notifications.show({ message: t('webhooks.removed') });
      onClose();
    },
  );
  return (
    <ConfirmDialog
      opened
      title={t('webhooks.removeTitle')}
      text={t('webhooks.removeText', { url: webhook.url })}
      action={t('action.remove')}
      isBusy={removing.isPending}
      error={removing.error}
      onConfirm={() => removing.mutate(undefined)}
      onClose={onClose}
    />
  );
}

/** Changes the secret of a webhook; the new one is shown after it, this once. */
export function RotateSecret(props: {
  webhook: Webhook;
  onRotated: (rotated: CreatedWebhook) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const [isAtOnce, setAtOnce] = useState(false);
  const rotating = useChange((atOnce: boolean) => rotateSecret(props.webhook.id, atOnce), props.onRotated);
  return (
    <Dialog opened onClose={props.onClose} title={t('webhooks.rotate')} size="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          rotating.mutate(isAtOnce);
        }}
      >
        <Stack gap="md">
          <FormError error={rotating.error} />
          <Text size="sm">{t('webhooks.rotateText', { url: props.webhook.url })}</Text>
          <Checkbox
            label={t('webhooks.atOnce')}
            description={t('webhooks.atOnceText')}
            checked={isAtOnce}
            onChange={(event) => setAtOnce(event.currentTarget.checked)}
          />
          <FormButtons action={t('webhooks.rotate')} isBusy={rotating.isPending} onClose={props.onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

export function WebhookSecret(props: { created: CreatedWebhook; title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const { created, onClose } = props;
  return (
    <Dialog opened onClose={onClose} title={t('webhooks.secret')} size="md">
      <ShownOnce
        title={props.title}
        text={t('webhooks.secretText')}
        secret={created.secret}
        onKept={onClose}
      />
    </Dialog>
  );
}
