import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { deleteStudy, deletionsQuery } from '@/api/deletions';
import type { Study } from '@/api/types';
import { formatName } from '@/lib/names';
import { Dialog } from '@/ui/Dialog';
import { FormError } from '@/ui/forms';
import { StudyDate } from '@/ui/StudyDate';

const REASON_MAX = 500;

/** Asks whose study it is that goes, and why; the focus is on the reason, without which nothing is deleted. */
export function DeleteDialog({ study, onClose }: { study: Study; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  const name = formatName(study.patientName).main || t('patient.unnamed');
  const deleting = useMutation({
    mutationFn: () => deleteStudy(study.studyInstanceUid, reason.trim()),
    onSuccess: async () => {
      notifications.show({ message: t('study.deleted', { name }) });
      void queries.invalidateQueries({ queryKey: deletionsQuery.queryKey });
      void queries.invalidateQueries({ queryKey: ['studies'] });
      await navigate({ to: '/' });
    },
  });
  return (
    <Dialog opened onClose={onClose} title={t('study.deleteTitle')} size="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim()) deleting.mutate();
        }}
      >
        <Stack gap="md">
          <FormError error={deleting.error} />
          <Text size="sm">
            <b>
              <bdi>{name}</bdi>
            </b>
            {study.patientId && ` (${study.patientId})`}
            <br />
            <StudyDate date={study.studyDate} time={study.studyTime} /> {study.studyDescription}
            <br />
            {t('count.series', { count: study.numberOfSeries })},{' '}
            {t('count.instances', { count: study.numberOfInstances })}
          </Text>
          <Text size="sm">{t('study.deleteText')}</Text>
          <TextInput
            label={t('study.deleteReason')}
            data-autofocus
            required
            maxLength={REASON_MAX}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {t('action.cancel')}
            </Button>
            <Button type="submit" color="red" loading={deleting.isPending} disabled={!reason.trim()}>
              {t('study.delete')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
