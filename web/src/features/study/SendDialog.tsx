import { Select, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { canBeCalled, peersQuery } from '@/api/peers';
import { sendStudy } from '@/api/studies';
import { FormButtons, FormError } from '@/ui/forms';
import { ErrorState } from '@/ui/States';
import { Dialog } from '@/ui/Dialog';

/** Send a study to a peer; the sending is a job, so one need not wait. */
export function SendDialog({ studyInstanceUid, onClose }: { studyInstanceUid: string; onClose: () => void }) {
  const { t } = useTranslation();
  const peers = useQuery(peersQuery);
  const destinations = (peers.data ?? []).filter(canBeCalled);
  const [peerId, setPeerId] = useState<string | null>(null);
  const chosen = peerId ?? (destinations.length === 1 ? String(destinations[0]?.id) : null);
  const sending = useMutation({
    mutationFn: (id: number) => sendStudy(studyInstanceUid, id),
    onSuccess: (_, id) => {
      const name = destinations.find((peer) => peer.id === id)?.aeTitle ?? '';
      notifications.show({ message: t('study.sending', { name }) });
      onClose();
    },
  });
  return (
    <Dialog opened onClose={onClose} title={t('study.sendTitle')} size="sm">
      {peers.isError ? (
        <ErrorState error={peers.error} onRetry={() => void peers.refetch()} />
      ) : peers.isSuccess && destinations.length === 0 ? (
        <Text size="sm">{t('study.noPeers')}</Text>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (chosen !== null) sending.mutate(Number(chosen));
          }}
        >
          <Stack gap="md">
            <FormError error={sending.error} />
            <Select
              label={t('study.destination')}
              placeholder={t('study.choosePeer')}
              data-autofocus
              required
              searchable={destinations.length > 8}
              data={destinations.map((peer) => ({
                value: String(peer.id),
                label: peer.description ? `${peer.aeTitle} · ${peer.description}` : peer.aeTitle,
              }))}
              value={chosen}
              onChange={setPeerId}
            />
            <FormButtons action={t('study.send')} isBusy={sending.isPending} onClose={onClose} />
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
