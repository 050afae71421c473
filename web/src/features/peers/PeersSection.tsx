import { ActionIcon, Button, Group, Loader, Menu, Text, Tooltip } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { CircleCheck, CircleX, Ellipsis, Pencil, Plus, Radio, Trash2, Waypoints } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { canBeCalled, echoPeer, peersQuery } from '@/api/peers';
import { useSession } from '@/api/session';
import type { Peer, Service } from '@/api/types';
import { DataTable } from '@/ui/DataTable';
import { SectionHeader } from '@/ui/Page';
import { EmptyState, ErrorState } from '@/ui/States';
import { Tag } from '@/ui/Tag';
import { AddPeer, EditPeer, RemovePeer } from './PeerDialogs';
import { UnknownPeers } from './UnknownPeers';

const ICON = { size: 15, strokeWidth: 1.75 } as const;

type Dialog = { kind: 'add' } | { kind: 'edit'; peer: Peer } | { kind: 'remove'; peer: Peer };

/** The systems that may talk to us by DICOM, and those that tried. */
export function PeersSection() {
  const { t } = useTranslation();
  const { server } = useSession();
  const peers = useQuery(peersQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  return (
    <>
      <SectionHeader
        title={t('peers.title')}
        text={t('peers.text', { aeTitle: server.aeTitle, port: server.dicomPort })}
        actions={
          <Button leftSection={<Plus size={16} />} onClick={() => setDialog({ kind: 'add' })}>
            {t('peers.add')}
          </Button>
        }
      />
      {peers.isError ? (
        <ErrorState error={peers.error} onRetry={() => void peers.refetch()} />
      ) : (
        <PeerTable peers={peers.data ?? []} isLoading={peers.isPending} onAction={setDialog} />
      )}
      <UnknownPeers />
      {dialog?.kind === 'add' && <AddPeer onClose={close} />}
      {dialog?.kind === 'edit' && <EditPeer peer={dialog.peer} onClose={close} />}
      {dialog?.kind === 'remove' && <RemovePeer peer={dialog.peer} onClose={close} />}
    </>
  );
}

function PeerTable(props: { peers: Peer[]; isLoading: boolean; onAction: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  return (
    <DataTable
      label={t('peers.title')}
      isLoading={props.isLoading}
      rows={props.peers}
      rowKey={(peer) => peer.id}
      empty={
        <EmptyState
          icon={<Waypoints size={26} strokeWidth={1.5} />}
          title={t('peers.none')}
          text={t('peers.noneText')}
        />
      }
      columns={[
        {
          key: 'ae',
          header: t('peers.aeTitle'),
          isTitle: true,
          cell: (peer) => <strong>{peer.aeTitle}</strong>,
        },
        { key: 'address', header: t('peers.address'), cell: (peer) => <Address peer={peer} /> },
        { key: 'description', header: t('peers.description'), cell: (peer) => peer.description },
        { key: 'allow', header: t('peers.allow'), cell: (peer) => <Services services={peer.allow} /> },
        {
          key: 'actions',
          header: t('table.actions'),
          isActions: true,
          cell: (peer) => (
            <Group gap={6} justify="flex-end" wrap="nowrap">
              <EchoTest peer={peer} />
              <PeerMenu peer={peer} onAction={props.onAction} />
            </Group>
          ),
        },
      ]}
    />
  );
}

function Address({ peer }: { peer: Peer }) {
  const { t } = useTranslation();
  return (
    <Group gap={8} wrap="nowrap">
      <span className="fl-numbers">
        {peer.host}
        {peer.port !== null && `:${peer.port}`}
      </span>
      {peer.tls && <Tag>TLS</Tag>}
      {peer.port === null && (
        <Text span size="xs" c="dimmed">
          {t('peers.callsOnly')}
        </Text>
      )}
    </Group>
  );
}

function Services({ services }: { services: readonly string[] }) {
  const { t } = useTranslation();
  if (services.length === 0) return <Text size="sm">{t('peers.nothing')}</Text>;
  return (
    <Group gap={4}>
      {services.map((service) => (
        <Tag key={service}>{t(`services.${service as Service}`)}</Tag>
      ))}
    </Group>
  );
}

/** A C-ECHO and its result in plain words, which stays until the next test. */
function EchoTest({ peer }: { peer: Peer }) {
  const { t } = useTranslation();
  const echo = useMutation({ mutationFn: () => echoPeer(peer.id) });
  const result = echo.isError ? { ok: false, message: echo.error.message } : echo.data;
  return (
    <Group gap={6} wrap="nowrap" justify="flex-end">
      <span role="status">
        {echo.isPending && <Loader size={14} aria-label={t('state.loading')} />}
        {result && !echo.isPending && (
          <Tooltip label={result.message} multiline maw={360}>
            <Text
              span
              size="xs"
              c={result.ok ? 'teal.4' : 'red.4'}
              style={{
                display: 'inline-flex',
                alignItems: 'center',
                gap: 4,
                maxWidth: 260,
                whiteSpace: 'normal',
              }}
            >
              {result.ok ? (
                <CircleCheck {...ICON} aria-hidden />
              ) : (
                <CircleX {...ICON} style={{ flex: 'none' }} aria-hidden />
              )}
              {result.ok && echo.data
                ? t('peers.echoOk', { count: Math.max(1, Math.round(echo.data.durationMs)) })
                : result.message}
            </Text>
          </Tooltip>
        )}
      </span>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Radio size={13} />}
        disabled={!canBeCalled(peer) || echo.isPending}
        aria-label={t('peers.echoNamed', { name: peer.aeTitle })}
        onClick={() => echo.mutate()}
      >
        {t('peers.echo')}
      </Button>
    </Group>
  );
}

function PeerMenu({ peer, onAction }: { peer: Peer; onAction: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  return (
    <Menu width={180}>
      <Menu.Target>
        <ActionIcon aria-label={t('peers.menu', { name: peer.aeTitle })}>
          <Ellipsis size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Pencil {...ICON} />} onClick={() => onAction({ kind: 'edit', peer })}>
          {t('action.edit')}
        </Menu.Item>
        <Menu.Item
          color="red"
          leftSection={<Trash2 {...ICON} />}
          onClick={() => onAction({ kind: 'remove', peer })}
        >
          {t('action.remove')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
