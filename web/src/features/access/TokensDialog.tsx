import { Alert, Button, Code, Group, MultiSelect, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { addToken, revokeToken, tokensQuery } from '@/api/people';
import type { CreatedToken, Right, Token } from '@/api/types';
import { DataTable } from '@/ui/DataTable';
import { Moment } from '@/ui/Moment';
import { EmptyState, ErrorState } from '@/ui/States';
import { Dialog } from '@/ui/Dialog';
import { ShownOnce } from '@/ui/ShownOnce';

interface Props {
  opened: boolean;
  onClose: () => void;
  userId: number;
  title: string;
  /** What the tokens can be given: the rights of their person. */
  rights: readonly Right[];
}

/** The API tokens of a person: made, shown once, revoked. */
export function TokensDialog(props: Props) {
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={props.title} size="xl">
      <Tokens userId={props.userId} rights={props.rights} />
    </Dialog>
  );
}

function Tokens({ userId, rights }: Pick<Props, 'userId' | 'rights'>) {
  const { t } = useTranslation();
  const tokens = useQuery(tokensQuery(userId));
  const [created, setCreated] = useState<CreatedToken | null>(null);
  const [isAdding, setIsAdding] = useState(false);

  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">
        {t('tokens.text')}
      </Text>
      {created && (
        <ShownOnce
          title={t('tokens.created', { name: created.token.name })}
          text={t('tokens.once')}
          secret={created.secret}
          onKept={() => setCreated(null)}
        />
      )}
      {isAdding ? (
        <AddToken
          userId={userId}
          rights={rights}
          onClose={() => setIsAdding(false)}
          onCreated={(token) => {
            setCreated(token);
            setIsAdding(false);
          }}
        />
      ) : (
        <Group>
          <Button onClick={() => setIsAdding(true)}>{t('tokens.add')}</Button>
        </Group>
      )}
      {tokens.isError ? (
        <ErrorState error={tokens.error} onRetry={() => void tokens.refetch()} />
      ) : (
        <TokenTable tokens={tokens.data ?? []} isLoading={tokens.isPending} userId={userId} />
      )}
    </Stack>
  );
}

function TokenTable({ tokens, isLoading, userId }: { tokens: Token[]; isLoading: boolean; userId: number }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const revoking = useMutation({
    mutationFn: revokeToken,
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: tokensQuery(userId).queryKey }),
        queries.invalidateQueries({ queryKey: ['users'] }),
      ]),
  });
  return (
    <>
      {revoking.error && (
        <Alert color="red" variant="light" role="alert">
          {revoking.error.message}
        </Alert>
      )}
      <DataTable
        label={t('tokens.title')}
        isLoading={isLoading}
        rows={tokens}
        rowKey={(token) => token.id}
        empty={<EmptyState icon={<KeyRound size={26} strokeWidth={1.5} />} title={t('tokens.none')} />}
        columns={[
          { key: 'name', header: t('tokens.name'), isTitle: true, cell: (token) => token.name },
          { key: 'hint', header: t('tokens.begins'), cell: (token) => <Code>{token.hint}…</Code> },
          {
            key: 'rights',
            header: t('tokens.rights'),
            cell: (token) => token.rights.map((right) => t(`rights.${right}`)).join(', '),
          },
          {
            key: 'expires',
            header: t('tokens.expires'),
            cell: (token) => <Moment at={token.expiresAt} relative />,
          },
          {
            key: 'used',
            header: t('tokens.lastUsed'),
            cell: (token) =>
              token.lastUsedAt ? <Moment at={token.lastUsedAt} relative /> : t('tokens.never'),
          },
          {
            key: 'actions',
            header: t('table.actions'),
            isActions: true,
            cell: (token) => (
              <Button
                size="compact-sm"
                variant="light"
                color="red"
                aria-label={t('tokens.revokeNamed', { name: token.name })}
                loading={revoking.isPending && revoking.variables === token.id}
                onClick={() => revoking.mutate(token.id)}
              >
                {t('tokens.revoke')}
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}

const LIFETIMES_DAYS = [30, 90, 365, 1825] as const;

function AddToken(props: {
  userId: number;
  rights: readonly Right[];
  onClose: () => void;
  onCreated: (token: CreatedToken) => void;
}) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const form = useForm({
    initialValues: { name: '', days: '365', rights: [...props.rights] as string[] },
    validate: {
      name: (value) => (value.trim() ? null : t('tokens.nameMissing')),
      rights: (value) => (value.length > 0 ? null : t('tokens.rightsMissing')),
    },
  });
  const adding = useMutation({
    mutationFn: (values: typeof form.values) =>
      addToken(props.userId, {
        name: values.name.trim(),
        expiresDays: Number(values.days),
        rights: values.rights as Right[],
      }),
    onSuccess: async (token) => {
      props.onCreated(token);
      await Promise.all([
        queries.invalidateQueries({ queryKey: tokensQuery(props.userId).queryKey }),
        queries.invalidateQueries({ queryKey: ['users'] }),
      ]);
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => adding.mutate(values))} noValidate>
      <Stack gap="sm">
        {adding.error && (
          <Alert color="red" variant="light" role="alert">
            {adding.error.message}
          </Alert>
        )}
        <Group align="flex-start" grow preventGrowOverflow={false} gap="sm">
          <TextInput
            label={t('tokens.name')}
            placeholder={t('tokens.namePlaceholder')}
            data-autofocus
            autoFocus
            {...form.getInputProps('name')}
          />
          <Select
            label={t('tokens.lifetime')}
            allowDeselect={false}
            data={LIFETIMES_DAYS.map((days) => ({
              value: String(days),
              label: t('tokens.days', { count: days }),
            }))}
            {...form.getInputProps('days')}
          />
        </Group>
        <MultiSelect
          label={t('tokens.rights')}
          data={props.rights.map((right) => ({ value: right, label: t(`rights.${right}`) }))}
          {...form.getInputProps('rights')}
        />
        <Group gap="xs">
          <Button type="submit" loading={adding.isPending}>
            {t('tokens.add')}
          </Button>
          <Button variant="default" onClick={props.onClose}>
            {t('action.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
