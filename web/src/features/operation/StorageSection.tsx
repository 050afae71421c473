import { Button, Progress, Text, Title } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { conflictsQuery, refusalsQuery, resolveConflict, storageQuery } from '@/api/operation';
import type { ConflictRow, Storage } from '@/api/types';
import { formatBytes } from '@/lib/bytes';
import { useLocale } from '@/lib/useLocale';
import { DataTable } from '@/ui/DataTable';
import { FormError } from '@/ui/forms';
import { TextLink } from '@/ui/links';
import { ModalityBadge } from '@/ui/ModalityBadge';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { ErrorState } from '@/ui/States';
import { Uid } from '@/ui/Uid';
import classes from './StorageSection.module.css';

/** What is kept, what room is left, and what could not be taken in. */
export function StorageSection() {
  const { t } = useTranslation();
  const storage = useQuery(storageQuery);
  if (storage.isError) return <ErrorState error={storage.error} onRetry={() => void storage.refetch()} />;
  return (
    <>
      <SectionHeader title={t('storage.title')} text={t('storage.text')} />
      {storage.data && (
        <>
          <Capacity storage={storage.data} />
          <Totals storage={storage.data} />
          <Replica storage={storage.data} />
          <ByModality storage={storage.data} />
        </>
      )}
      <Conflicts />
      <Refusals />
    </>
  );
}

/** Shares below this are too little to work with for long. */
const FREE_LOW = 0.1;

function Capacity({ storage }: { storage: Storage }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const { capacityBytes, freeBytes, usedBytes } = storage;
  const share = (bytes: number) => (capacityBytes > 0 ? (100 * bytes) / capacityBytes : 0);
  const otherBytes = Math.max(0, capacityBytes - freeBytes - usedBytes);
  const isLow = capacityBytes > 0 && freeBytes / capacityBytes < FREE_LOW;
  return (
    <section className={classes.panel}>
      <div className={classes.capacity}>
        <Text fw={600} size="lg" c={isLow ? 'yellow.4' : undefined}>
          {t('storage.free', { size: formatBytes(freeBytes, locale) })}
        </Text>
        <Text size="sm" c="dimmed">
          {t('storage.capacity', { size: formatBytes(capacityBytes, locale) })}
        </Text>
      </div>
      <Progress.Root size={14} radius="sm" mt={10} className={classes.bar}>
        <Progress.Section
          value={share(usedBytes)}
          color={isLow ? 'yellow' : 'teal.6'}
          aria-label={t('storage.ours')}
        />
        <Progress.Section value={share(otherBytes)} color="dark.3" aria-label={t('storage.others')} />
      </Progress.Root>
      <div className={classes.legend}>
        <span>
          <i data-kind="ours" data-low={isLow || undefined} aria-hidden /> {t('storage.ours')}{' '}
          <b>{formatBytes(usedBytes, locale)}</b>
        </span>
        <span>
          <i data-kind="others" aria-hidden /> {t('storage.others')} <b>{formatBytes(otherBytes, locale)}</b>
        </span>
        <span>
          <i data-kind="free" aria-hidden /> {t('storage.freeShort')} <b>{formatBytes(freeBytes, locale)}</b>
        </span>
      </div>
    </section>
  );
}

function Totals({ storage }: { storage: Storage }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const totals = [
    { label: t('storage.patients'), count: storage.numberOfPatients },
    { label: t('storage.studies'), count: storage.numberOfStudies },
    { label: t('storage.series'), count: storage.numberOfSeries },
    { label: t('storage.instances'), count: storage.numberOfInstances },
  ];
  return (
    <dl className={classes.totals}>
      {totals.map(({ label, count }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className="fl-numbers">{count.toLocaleString(locale)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The second place of all images, and what it has yet to get. */
function Replica({ storage: { replica } }: { storage: Storage }) {
  const { t } = useTranslation();
  if (!replica) return null;
  return (
    <section className={classes.panel}>
      <Title order={3} mb={4}>
        {t('storage.replica')}
      </Title>
      <Text size="sm" c="dimmed" mb={6} className={classes.place}>
        {t(replica.isSynchronous ? 'storage.replicaSynchronous' : 'storage.replicaLagging', {
          url: replica.url,
        })}
      </Text>
      {replica.waiting > 0 && (
        <Text size="sm" c="yellow.4">
          {t('storage.replicaWaiting', { count: replica.waiting })}{' '}
          {replica.waitingSince && (
            <>
              {t('storage.replicaOldest')} <Moment at={replica.waitingSince} relative />
            </>
          )}
        </Text>
      )}
      {!replica.isFilled && <Text size="sm">{t('storage.replicaFilling')}</Text>}
      {replica.isFilled && replica.waiting === 0 && <Text size="sm">{t('storage.replicaComplete')}</Text>}
    </section>
  );
}

function ByModality({ storage }: { storage: Storage }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const most = Math.max(1, ...storage.byModality.map((use) => use.sizeBytes));
  if (storage.byModality.length === 0) return null;
  return (
    <section className={classes.panel}>
      <Title order={3} mb="sm">
        {t('storage.byModality')}
      </Title>
      <table className={classes.modalities}>
        <thead className="fl-visually-hidden">
          <tr>
            <th>{t('studies.columns.modalities')}</th>
            <th>{t('storage.share')}</th>
            <th className={classes.count}>{t('storage.instances')}</th>
            <th>{t('studies.columns.size')}</th>
          </tr>
        </thead>
        <tbody>
          {[...storage.byModality]
            .sort((one, other) => other.sizeBytes - one.sizeBytes)
            .map((use) => (
              <tr key={use.modality}>
                <th scope="row">
                  <ModalityBadge modality={use.modality || '?'} />
                </th>
                <td className={classes.track}>
                  <div style={{ width: `${Math.max(0.5, (100 * use.sizeBytes) / most)}%` }} />
                </td>
                <td className={`fl-numbers ${classes.count ?? ''}`}>
                  {t('count.instances', { count: use.numberOfInstances })}
                </td>
                <td className="fl-numbers">{formatBytes(use.sizeBytes, locale)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </section>
  );
}

function Section(props: { title: string; text: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <SectionHeader title={props.title} text={props.text} />
      {props.children}
    </section>
  );
}

function Nothing({ text }: { text: string }) {
  return (
    <Text size="sm" c="dimmed">
      {text}
    </Text>
  );
}

function Conflicts() {
  const { t } = useTranslation();
  const conflicts = useInfiniteQuery(conflictsQuery);
  const queries = useQueryClient();
  const resolving = useMutation({
    mutationFn: resolveConflict,
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: conflictsQuery.queryKey }),
        queries.invalidateQueries({ queryKey: storageQuery.queryKey }),
      ]),
  });
  return (
    <Section title={t('conflicts.title')} text={t('conflicts.text')}>
      <FormError error={resolving.error} />
      {conflicts.isError ? (
        <ErrorState error={conflicts.error} onRetry={() => void conflicts.refetch()} />
      ) : (
        <DataTable<ConflictRow>
          label={t('conflicts.title')}
          isLoading={conflicts.isPending}
          rows={conflicts.data?.pages.flatMap((page) => page.items) ?? []}
          rowKey={(row) => row.id}
          hasMore={conflicts.hasNextPage}
          onMore={() => void conflicts.fetchNextPage()}
          empty={<Nothing text={t('conflicts.none')} />}
          columns={[
            { key: 'at', header: t('table.at'), isTitle: true, cell: (row) => <Moment at={row.at} /> },
            { key: 'origin', header: t('table.origin'), cell: (row) => row.origin },
            { key: 'reason', header: t('table.reason'), cell: (row) => row.reason },
            { key: 'sop', header: t('table.instance'), cell: (row) => <Uid value={row.sopInstanceUid} /> },
            {
              key: 'study',
              header: t('table.study'),
              cell: (row) =>
                row.studyInstanceUid && (
                  <TextLink
                    to="/studies/$studyInstanceUid"
                    params={{ studyInstanceUid: row.studyInstanceUid }}
                    size="sm"
                  >
                    {t('action.open')}
                  </TextLink>
                ),
            },
            {
              key: 'actions',
              header: t('table.actions'),
              isActions: true,
              cell: (row) =>
                row.resolvedAt ? (
                  <Text span size="sm" c="dimmed">
                    {t('conflicts.resolved')}
                  </Text>
                ) : (
                  <Button
                    size="compact-sm"
                    variant="default"
                    loading={resolving.isPending && resolving.variables === row.id}
                    onClick={() => resolving.mutate(row.id)}
                  >
                    {t('conflicts.resolve')}
                  </Button>
                ),
            },
          ]}
        />
      )}
    </Section>
  );
}

function Refusals() {
  const { t } = useTranslation();
  const refusals = useInfiniteQuery(refusalsQuery);
  return (
    <Section title={t('refusals.title')} text={t('refusals.text')}>
      {refusals.isError ? (
        <ErrorState error={refusals.error} onRetry={() => void refusals.refetch()} />
      ) : (
        <DataTable
          label={t('refusals.title')}
          isLoading={refusals.isPending}
          rows={refusals.data?.pages.flatMap((page) => page.items) ?? []}
          rowKey={(row) => row.id}
          hasMore={refusals.hasNextPage}
          onMore={() => void refusals.fetchNextPage()}
          empty={<Nothing text={t('refusals.none')} />}
          columns={[
            { key: 'at', header: t('table.at'), isTitle: true, cell: (row) => <Moment at={row.at} /> },
            { key: 'origin', header: t('table.origin'), cell: (row) => row.origin },
            { key: 'reason', header: t('table.reason'), cell: (row) => row.reason },
            {
              key: 'sop',
              header: t('table.instance'),
              cell: (row) => row.sopInstanceUid && <Uid value={row.sopInstanceUid} />,
            },
          ]}
        />
      )}
    </Section>
  );
}
