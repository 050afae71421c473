import { Checkbox, Group, NumberInput, Stack, Switch, TextInput } from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import {
  addPeer,
  admitPeer,
  changePeer,
  type PeerFields,
  peersQuery,
  removePeer,
  SERVICES,
} from '@/api/peers';
import type { Peer, Service, UnknownPeer } from '@/api/types';
import { ConfirmDialog } from '@/ui/ConfirmDialog';
import { FormButtons, FormError } from '@/ui/forms';
import { Dialog } from '@/ui/Dialog';
import { isAeTitle, servicesWanted } from './services';

interface Values {
  aeTitle: string;
  host: string;
  port: number | '';
  allow: string[];
  tls: boolean;
  description: string;
  askCommitment: boolean;
  notifyAvailability: boolean;
  operationsWindow: number | '';
}

const fieldsOf = (values: Values): PeerFields => ({
  aeTitle: values.aeTitle.trim(),
  host: values.host.trim(),
  port: values.port === '' ? null : values.port,
  allow: values.allow as Service[],
  tls: values.tls,
  description: values.description.trim(),
  askCommitment: values.askCommitment,
  notifyAvailability: values.notifyAvailability,
  operationsWindow: values.operationsWindow || 1,
});

function usePeerForm(initialValues: Values) {
  const { t } = useTranslation();
  return useForm<Values>({
    initialValues,
    validate: {
      aeTitle: (value) => (isAeTitle(value.trim()) ? null : t('peers.aeTitleWrong')),
      host: (value) => (value.trim() ? null : t('peers.hostMissing')),
    },
  });
}

function useChange<Change>(change: (values: Change) => Promise<unknown>, said: string, onClose: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      notifications.show({ message: said });
      onClose();
      await queries.invalidateQueries({ queryKey: peersQuery.queryKey });
    },
  });
}

function PeerForm(props: {
  form: UseFormReturnType<Values>;
  hasFixedTitle?: boolean;
  action: string;
  error: Error | null;
  isBusy: boolean;
  onSubmit: (fields: PeerFields) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const { form } = props;
  return (
    <form onSubmit={form.onSubmit((values) => props.onSubmit(fieldsOf(values)))} noValidate>
      <Stack gap="md">
        <FormError error={props.error} />
        <TextInput
          label={t('peers.aeTitle')}
          description={t('peers.aeTitleText')}
          maxLength={16}
          spellCheck={false}
          autoCapitalize="characters"
          readOnly={props.hasFixedTitle}
          data-autofocus={props.hasFixedTitle ? undefined : true}
          {...form.getInputProps('aeTitle')}
        />
        <Group align="flex-start" wrap="nowrap" gap="sm">
          <TextInput
            flex={1}
            label={t('peers.host')}
            description={t('peers.hostText')}
            spellCheck={false}
            autoCapitalize="none"
            {...form.getInputProps('host')}
          />
          <NumberInput
            w={116}
            size="sm"
            label={t('peers.port')}
            description={t('peers.portText')}
            min={1}
            max={65535}
            allowDecimal={false}
            hideControls
            data-autofocus={props.hasFixedTitle}
            {...form.getInputProps('port')}
          />
        </Group>
        <Checkbox.Group
          label={t('peers.allow')}
          description={t('peers.allowText')}
          {...form.getInputProps('allow')}
        >
          <Stack gap={8} mt={8}>
            {SERVICES.map((service) => (
              <Checkbox
                key={service}
                value={service}
                label={t(`services.${service}`)}
                description={t(`services.text.${service}`)}
              />
            ))}
          </Stack>
        </Checkbox.Group>
        <Switch label={t('peers.tls')} {...form.getInputProps('tls', { type: 'checkbox' })} />
        <Switch
          label={t('peers.askCommitment')}
          description={t('peers.askCommitmentText')}
          {...form.getInputProps('askCommitment', { type: 'checkbox' })}
        />
        <Switch
          label={t('peers.notifyAvailability')}
          description={t('peers.notifyAvailabilityText')}
          {...form.getInputProps('notifyAvailability', { type: 'checkbox' })}
        />
        <NumberInput
          label={t('peers.operationsWindow')}
          description={t('peers.operationsWindowText')}
          min={1}
          max={64}
          allowDecimal={false}
          {...form.getInputProps('operationsWindow')}
        />
        <TextInput
          label={t('peers.description')}
          placeholder={t('peers.descriptionPlaceholder')}
          {...form.getInputProps('description')}
        />
        <FormButtons action={props.action} isBusy={props.isBusy} onClose={props.onClose} />
      </Stack>
    </form>
  );
}

export function AddPeer({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const form = usePeerForm({
    aeTitle: '',
    host: '',
    port: 104,
    allow: ['echo', 'store'],
    tls: false,
    description: '',
    askCommitment: false,
    notifyAvailability: false,
    operationsWindow: 1,
  });
  const adding = useChange(addPeer, t('peers.added'), onClose);
  return (
    <Dialog opened onClose={onClose} title={t('peers.add')} size="md">
      <PeerForm
        form={form}
        action={t('peers.add')}
        error={adding.error}
        isBusy={adding.isPending}
        onSubmit={(fields) => adding.mutate(fields)}
        onClose={onClose}
      />
    </Dialog>
  );
}

export function EditPeer({ peer, onClose }: { peer: Peer; onClose: () => void }) {
  const { t } = useTranslation();
  const form = usePeerForm({
    aeTitle: peer.aeTitle,
    host: peer.host,
    port: peer.port ?? '',
    allow: peer.allow,
    tls: peer.tls,
    description: peer.description,
    askCommitment: peer.askCommitment,
    notifyAvailability: peer.notifyAvailability,
    operationsWindow: peer.operationsWindow,
  });
  const editing = useChange((fields: PeerFields) => changePeer(peer.id, fields), t('peers.changed'), onClose);
  return (
    <Dialog opened onClose={onClose} title={t('peers.editNamed', { name: peer.aeTitle })} size="md">
      <PeerForm
        form={form}
        action={t('action.save')}
        error={editing.error}
        isBusy={editing.isPending}
        onSubmit={(fields) => editing.mutate(fields)}
        onClose={onClose}
      />
    </Dialog>
  );
}

/** What the stranger said of itself is filled in; the port it listens on it cannot have said. */
export function AdmitPeer({ unknown, onClose }: { unknown: UnknownPeer; onClose: () => void }) {
  const { t } = useTranslation();
  const form = usePeerForm({
    aeTitle: unknown.aeTitle,
    host: unknown.address,
    port: '',
    allow: servicesWanted(unknown),
    tls: false,
    description: '',
    askCommitment: false,
    notifyAvailability: false,
    operationsWindow: 1,
  });
  const admitting = useChange(
    ({ aeTitle: _, ...admission }: PeerFields) => admitPeer(unknown.id, admission),
    t('peers.admitted', { name: unknown.aeTitle }),
    onClose,
  );
  return (
    <Dialog opened onClose={onClose} title={t('peers.admitNamed', { name: unknown.aeTitle })} size="md">
      <PeerForm
        form={form}
        hasFixedTitle
        action={t('peers.admit')}
        error={admitting.error}
        isBusy={admitting.isPending}
        onSubmit={(fields) => admitting.mutate(fields)}
        onClose={onClose}
      />
    </Dialog>
  );
}

export function RemovePeer({ peer, onClose }: { peer: Peer; onClose: () => void }) {
  const { t } = useTranslation();
  const removing = useChange(() => removePeer(peer.id), t('peers.removed', { name: peer.aeTitle }), onClose);
  return (
    <ConfirmDialog
      opened
      title={t('peers.removeNamed', { name: peer.aeTitle })}
      text={t('peers.removeText')}
      action={t('action.remove')}
      isBusy={removing.isPending}
      error={removing.error}
      onConfirm={() => removing.mutate(undefined)}
      onClose={onClose}
    />
  );
}
