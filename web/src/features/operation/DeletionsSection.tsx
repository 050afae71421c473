import { Button, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { deletionsQuery, restoreDeletion } from '@/api/deletions';
import type { Deletion } from '@/api/types';
import { formatName } from '@/lib/names';
import { DataTable } from '@/ui/DataTable';
import { FormError } from '@/ui/forms';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { ErrorState } from '@/ui/States';
import { Uid } from '@/ui/Uid';

/** What was deleted, by whom and why, and the way back while it lies in the trash. */
export function DeletionsSection() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const deletions = useInfiniteQuery(deletionsQuery);
  const restoring = useMutation({
    mutationFn: restoreDeletion,
    onSuccess: () => notifications.show({ message: t('deletions.restoring') }),
    onSettled: () => queries.invalidateQueries({ queryKey: deletionsQuery.queryKey }),
  });
  return (
    <>
      <SectionHeader title={t('deletions.title')} text={t('deletions.text')} />
      <FormError error={restoring.error} />
      {deletions.isError ? (
        <ErrorState error={deletions.error} onRetry={() => void deletions.refetch()} />
      ) : (
        <DataTable<Deletion>
          label={t('deletions.title')}
          isLoading={deletions.isPending}
          rows={deletions.data?.pages.flatMap((page) => page.items) ?? []}
          rowKey={(row) => row.id}
          hasMore={deletions.hasNextPage}
          onMore={() => void deletions.fetchNextPage()}
          empty={
            <Text size="sm" c="dimmed">
              {t('deletions.none')}
            </Text>
          }
          columns={[
            { key: 'at', header: t('table.at'), isTitle: true, cell: (row) => <Moment at={row.at} /> },
            { key: 'actor', header: t('deletions.actor'), cell: (row) => row.actor },
            { key: 'what', header: t('deletions.what'), cell: (row) => <What deletion={row} /> },
            { key: 'reason', header: t('table.reason'), cell: (row) => row.reason },
            {
              key: 'actions',
              header: t('table.actions'),
              isActions: true,
              cell: (row) =>
                row.restoredAt || row.purgedAt ? (
                  <Text span size="sm" c="dimmed">
                    {t(row.restoredAt ? 'deletions.restored' : 'deletions.purged')}
                  </Text>
                ) : (
                  <Button
                    size="compact-sm"
                    variant="default"
                    loading={restoring.isPending && restoring.variables === row.id}
                    onClick={() => restoring.mutate(row.id)}
                  >
                    {t('deletions.restore')}
                  </Button>
                ),
            },
          ]}
        />
      )}
    </>
  );
}

function What({ deletion }: { deletion: Deletion }) {
  const { t } = useTranslation();
  const [alphabetic = '', ideographic = '', phonetic = ''] = deletion.patientName.split('=');
  const name = formatName({ alphabetic, ideographic, phonetic }).main;
  const uid = deletion.sopInstanceUid ?? deletion.seriesInstanceUid ?? deletion.studyInstanceUid;
  return (
    <>
      {name && (
        <b>
          <bdi>{name}</bdi>{' '}
        </b>
      )}
      {t(`deletions.level.${deletion.level}`)}, {t('count.instances', { count: deletion.numberOfInstances })}{' '}
      <Uid value={uid} />
    </>
  );
}
