import { ActionIcon, Button, Group, Loader, Menu, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  CircleCheck,
  CirclePause,
  CirclePlay,
  CircleX,
  Ellipsis,
  KeyRound,
  Pencil,
  Plus,
  RotateCw,
  Send,
  Trash2,
  Webhook as WebhookIcon,
} from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { changeWebhook, retryWebhook, testWebhook, webhooksQuery } from '@/api/webhooks';
import type { CreatedWebhook, Webhook } from '@/api/types';
import { DataTable } from '@/ui/DataTable';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { EmptyState, ErrorState } from '@/ui/States';
import { Tag } from '@/ui/Tag';
import { AddWebhook, EditWebhook, RemoveWebhook, RotateSecret, WebhookSecret } from './WebhookDialogs';

const ICON = { size: 15, strokeWidth: 1.75 } as const;

type Dialog =
  | { kind: 'add' }
  | { kind: 'created'; created: CreatedWebhook }
  | { kind: 'rotate'; webhook: Webhook }
  | { kind: 'rotated'; rotated: CreatedWebhook }
  | { kind: 'edit'; webhook: Webhook }
  | { kind: 'remove'; webhook: Webhook };

/** The programs that are told by HTTP what happens here. */
export function WebhooksSection() {
  const { t } = useTranslation();
  const webhooks = useQuery(webhooksQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const kinds = webhooks.data?.eventKinds ?? [];
  return (
    <>
      <SectionHeader
        title={t('webhooks.title')}
        text={t('webhooks.text')}
        actions={
          <Button
            leftSection={<Plus size={16} />}
            disabled={!webhooks.data}
            onClick={() => setDialog({ kind: 'add' })}
          >
            {t('webhooks.add')}
          </Button>
        }
      />
      {webhooks.isError ? (
        <ErrorState error={webhooks.error} onRetry={() => void webhooks.refetch()} />
      ) : (
        <WebhookTable
          webhooks={webhooks.data?.items ?? []}
          isLoading={webhooks.isPending}
          onAction={setDialog}
        />
      )}
      {dialog?.kind === 'add' && (
        <AddWebhook
          kinds={kinds}
          onCreated={(created) => setDialog({ kind: 'created', created })}
          onClose={close}
        />
      )}
      {dialog?.kind === 'created' && (
        <WebhookSecret created={dialog.created} title={t('webhooks.added')} onClose={close} />
      )}
      {dialog?.kind === 'rotate' && (
        <RotateSecret
          webhook={dialog.webhook}
          onRotated={(rotated) => setDialog({ kind: 'rotated', rotated })}
          onClose={close}
        />
      )}
      {dialog?.kind === 'rotated' && (
        <WebhookSecret created={dialog.rotated} title={t('webhooks.rotated')} onClose={close} />
      )}
      {dialog?.kind === 'edit' && <EditWebhook webhook={dialog.webhook} kinds={kinds} onClose={close} />}
      {dialog?.kind === 'remove' && <RemoveWebhook webhook={dialog.webhook} onClose={close} />}
    </>
  );
}

function WebhookTable(props: {
  webhooks: Webhook[];
  isLoading: boolean;
  onAction: (dialog: Dialog) => void;
}) {
  const { t } = useTranslation();
  return (
    <DataTable
      label={t('webhooks.title')}
      isLoading={props.isLoading}
      rows={props.webhooks}
      rowKey={(webhook) => webhook.id}
      empty={
        <EmptyState
          icon={<WebhookIcon size={26} strokeWidth={1.5} />}
          title={t('webhooks.none')}
          text={t('webhooks.noneText')}
        />
      }
      columns={[
        {
          key: 'url',
          header: t('webhooks.url'),
          isTitle: true,
          cell: (webhook) => (
            <Stack gap={2}>
              <strong style={{ overflowWrap: 'anywhere' }}>{webhook.url}</strong>
              {webhook.description && (
                <Text span size="xs" c="dimmed">
                  {webhook.description}
                </Text>
              )}
              {webhook.previousSecretUntil && (
                <Text span size="xs" c="dimmed">
                  {t('webhooks.oldSecretUntil')} <Moment at={webhook.previousSecretUntil} />
                </Text>
              )}
            </Stack>
          ),
        },
        { key: 'events', header: t('webhooks.events'), cell: (webhook) => <Events webhook={webhook} /> },
        { key: 'state', header: t('webhooks.state'), cell: (webhook) => <State webhook={webhook} /> },
        {
          key: 'last',
          header: t('webhooks.last'),
          cell: (webhook) =>
            webhook.deliveredAt ? (
              <Stack gap={2}>
                <Moment at={webhook.deliveredAt} relative />
                <Text span size="xs" c="dimmed">
                  {t('webhooks.delivered', { count: webhook.delivered })}
                </Text>
              </Stack>
            ) : (
              t('webhooks.never')
            ),
        },
        {
          key: 'actions',
          header: t('table.actions'),
          isActions: true,
          cell: (webhook) => (
            <Group gap={6} justify="flex-end" wrap="nowrap">
              <DeliveryTest webhook={webhook} />
              <WebhookMenu webhook={webhook} onAction={props.onAction} />
            </Group>
          ),
        },
      ]}
    />
  );
}

function Events({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation();
  if (webhook.names === null) return <Text size="sm">{t('webhooks.allEvents')}</Text>;
  return (
    <Group gap={4}>
      {webhook.names.map((name) => (
        <Tag key={name}>{name}</Tag>
      ))}
    </Group>
  );
}

/** What went wrong stays in words until it is mended. */
function State({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation();
  if (webhook.state === 'fine') return <Text size="sm">{t('webhooks.states.fine')}</Text>;
  if (webhook.state === 'disabled') return <Tag>{t('webhooks.states.disabled')}</Tag>;
  return (
    <Stack gap={2}>
      <Text size="sm" c="red.4">
        {t(`webhooks.states.${webhook.state}`)}
        {webhook.failingSince && (
          <>
            {' · '}
            <Moment at={webhook.failingSince} relative />
          </>
        )}
      </Text>
      <Text size="xs" c="dimmed" maw={320} style={{ overflowWrap: 'anywhere' }}>
        {webhook.lastError}
      </Text>
      {webhook.nextAttemptAt && (
        <Text size="xs" c="dimmed">
          {t('webhooks.next')} <Moment at={webhook.nextAttemptAt} relative />
        </Text>
      )}
    </Stack>
  );
}

/** A test event and how it went, which stays until the next. */
function DeliveryTest({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation();
  const test = useMutation({ mutationFn: () => testWebhook(webhook.id) });
  const result = test.isError ? { ok: false, message: test.error.message } : test.data;
  return (
    <Group gap={6} wrap="nowrap" justify="flex-end">
      <span role="status">
        {test.isPending && <Loader size={14} aria-label={t('state.loading')} />}
        {result && !test.isPending && (
          <Text
            span
            size="xs"
            c={result.ok ? 'teal.4' : 'red.4'}
            style={{ display: 'inline-flex', alignItems: 'center', gap: 4, overflowWrap: 'anywhere' }}
            maw={220}
          >
            {result.ok ? (
              <CircleCheck {...ICON} style={{ flex: 'none' }} aria-hidden />
            ) : (
              <CircleX {...ICON} style={{ flex: 'none' }} aria-hidden />
            )}
            {result.message}
          </Text>
        )}
      </span>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Send size={13} />}
        disabled={test.isPending}
        aria-label={t('webhooks.testNamed', { url: webhook.url })}
        onClick={() => test.mutate()}
      >
        {t('webhooks.test')}
      </Button>
    </Group>
  );
}

function WebhookMenu({ webhook, onAction }: { webhook: Webhook; onAction: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const changing = useMutation({
    mutationFn: (change: () => Promise<Webhook>) => change(),
    onSettled: () => queries.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
  const isStuck = webhook.state === 'failing' || webhook.state === 'parked';
  return (
    <Menu width={180}>
      <Menu.Target>
        <ActionIcon aria-label={t('webhooks.menu', { url: webhook.url })} loading={changing.isPending}>
          <Ellipsis size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {isStuck && (
          <Menu.Item
            leftSection={<RotateCw {...ICON} />}
            onClick={() => changing.mutate(() => retryWebhook(webhook.id))}
          >
            {t('webhooks.retry')}
          </Menu.Item>
        )}
        <Menu.Item leftSection={<Pencil {...ICON} />} onClick={() => onAction({ kind: 'edit', webhook })}>
          {t('action.edit')}
        </Menu.Item>
        <Menu.Item leftSection={<KeyRound {...ICON} />} onClick={() => onAction({ kind: 'rotate', webhook })}>
          {t('webhooks.rotate')}
        </Menu.Item>
        <Menu.Item
          leftSection={webhook.isActive ? <CirclePause {...ICON} /> : <CirclePlay {...ICON} />}
          onClick={() => changing.mutate(() => changeWebhook(webhook.id, { isActive: !webhook.isActive }))}
        >
          {webhook.isActive ? t('webhooks.disable') : t('webhooks.enable')}
        </Menu.Item>
        <Menu.Item
          color="red"
          leftSection={<Trash2 {...ICON} />}
          onClick={() => onAction({ kind: 'remove', webhook })}
        >
          {t('action.remove')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
