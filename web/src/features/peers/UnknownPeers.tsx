import { Button, Group, Text, Tooltip } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { forgetUnknownPeer, unknownPeersQuery } from '@/api/peers';
import type { UnknownPeer } from '@/api/types';
import { DataTable } from '@/ui/DataTable';
import { FormError } from '@/ui/forms';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { ErrorState } from '@/ui/States';
import { AdmitPeer } from './PeerDialogs';
import classes from './UnknownPeers.module.css';

/** Who called and was refused: a new scanner is admitted from here instead of being typed in. */
export function UnknownPeers() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const unknown = useQuery(unknownPeersQuery);
  const [admitted, setAdmitted] = useState<UnknownPeer | null>(null);
  const dismissing = useMutation({
    mutationFn: forgetUnknownPeer,
    onSettled: () => queries.invalidateQueries({ queryKey: unknownPeersQuery.queryKey }),
  });

  return (
    <section className={classes.section}>
      <SectionHeader title={t('unknown.title')} text={t('unknown.text')} />
      <FormError error={dismissing.error} />
      {unknown.isError ? (
        <ErrorState error={unknown.error} onRetry={() => void unknown.refetch()} />
      ) : (
        <DataTable
          label={t('unknown.title')}
          isLoading={unknown.isPending}
          rows={unknown.data ?? []}
          rowKey={(one) => one.id}
          empty={
            <Text size="sm" c="dimmed">
              {t('unknown.none')}
            </Text>
          }
          columns={[
            {
              key: 'ae',
              header: t('peers.aeTitle'),
              isTitle: true,
              cell: (one) => <strong>{one.aeTitle}</strong>,
            },
            {
              key: 'address',
              header: t('peers.address'),
              cell: (one) => <span className="fl-numbers">{one.address}</span>,
            },
            { key: 'called', header: t('unknown.called'), cell: (one) => one.calledAeTitle },
            { key: 'reason', header: t('unknown.reason'), cell: (one) => one.reason },
            { key: 'proposed', header: t('unknown.proposed'), cell: (one) => <Proposed unknown={one} /> },
            {
              key: 'times',
              header: t('unknown.times'),
              align: 'right',
              cell: (one) => <span className="fl-numbers">{one.times}</span>,
            },
            {
              key: 'last',
              header: t('unknown.last'),
              cell: (one) => <Moment at={one.lastSeenAt} relative />,
            },
            {
              key: 'actions',
              header: t('table.actions'),
              isActions: true,
              cell: (one) => (
                <Group gap={6} wrap="nowrap" justify="flex-end">
                  <Button
                    size="compact-sm"
                    aria-label={t('peers.admitNamed', { name: one.aeTitle })}
                    onClick={() => setAdmitted(one)}
                  >
                    {t('peers.admit')}
                  </Button>
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={t('unknown.dismissNamed', { name: one.aeTitle })}
                    onClick={() => dismissing.mutate(one.id)}
                  >
                    {t('unknown.dismiss')}
                  </Button>
                </Group>
              ),
            },
          ]}
        />
      )}
      {admitted && <AdmitPeer unknown={admitted} onClose={() => setAdmitted(null)} />}
    </section>
  );
}

function Proposed({ unknown }: { unknown: UnknownPeer }) {
  const { t } = useTranslation();
  const [first, ...rest] = unknown.proposed;
  if (!first) return null;
  if (rest.length === 0) return <span>{first.name}</span>;
  return (
    <Tooltip multiline maw={420} label={unknown.proposed.map((one) => one.name).join(', ')}>
      <span tabIndex={0}>
        {first.name} {t('unknown.more', { count: rest.length })}
      </span>
    </Tooltip>
  );
}
