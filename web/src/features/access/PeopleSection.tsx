import { ActionIcon, Button, Group, Menu, PasswordInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  Ellipsis,
  KeyRound,
  LogOut,
  Pencil,
  RectangleEllipsis,
  UserCheck,
  UserPlus,
  Users,
  UserX,
} from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { addUser, changeUser, endSessions, ROLES, usersQuery } from '@/api/people';
import { useSession } from '@/api/session';
import type { Right, Role, User } from '@/api/types';
import { ConfirmDialog } from '@/ui/ConfirmDialog';
import { DataTable } from '@/ui/DataTable';
import { FormButtons, FormError } from '@/ui/forms';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { EmptyState, ErrorState } from '@/ui/States';
import { Dialog } from '@/ui/Dialog';
import { Tag } from '@/ui/Tag';
import { TokensDialog } from './TokensDialog';

const ICON = { size: 15, strokeWidth: 1.75 } as const;

type Dialog =
  | { kind: 'add' }
  | { kind: 'edit'; user: User }
  | { kind: 'password'; user: User }
  | { kind: 'tokens'; user: User }
  | { kind: 'deactivate'; user: User }
  | { kind: 'endSessions'; user: User };

const RIGHTS: readonly Right[] = [
  'echo',
  'query',
  'view',
  'retrieve',
  'store',
  'commit',
  'send',
  'worklist',
  'delete',
  'administer',
];

function rightsOf(role: Role): readonly Right[] {
  if (role === 'administrator') return RIGHTS;
  const reads = RIGHTS.slice(0, 4);
  return role === 'clinician' ? reads : [...reads, 'store', 'send', 'worklist'];
}

/** Who may sign in. */
export function PeopleSection() {
  const { t } = useTranslation();
  const users = useQuery(usersQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);

  return (
    <>
      <SectionHeader
        title={t('people.title')}
        text={t('people.text')}
        actions={
          <Button leftSection={<UserPlus size={16} />} onClick={() => setDialog({ kind: 'add' })}>
            {t('people.add')}
          </Button>
        }
      />
      {users.isError ? (
        <ErrorState error={users.error} onRetry={() => void users.refetch()} />
      ) : (
        <UserTable users={users.data ?? []} isLoading={users.isPending} onAction={setDialog} />
      )}
      {dialog?.kind === 'add' && <AddUser onClose={close} />}
      {dialog?.kind === 'edit' && <EditUser user={dialog.user} onClose={close} />}
      {dialog?.kind === 'password' && <ResetPassword user={dialog.user} onClose={close} />}
      {dialog?.kind === 'deactivate' && <Deactivate user={dialog.user} onClose={close} />}
      {dialog?.kind === 'endSessions' && <EndSessions user={dialog.user} onClose={close} />}
      {dialog?.kind === 'tokens' && (
        <TokensDialog
          opened
          onClose={close}
          userId={dialog.user.id}
          title={t('tokens.titleOf', { name: dialog.user.name })}
          rights={rightsOf(dialog.user.role)}
        />
      )}
    </>
  );
}

function UserTable(props: { users: User[]; isLoading: boolean; onAction: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  return (
    <DataTable
      label={t('people.title')}
      isLoading={props.isLoading}
      rows={props.users}
      rowKey={(user) => user.id}
      empty={<EmptyState icon={<Users size={26} strokeWidth={1.5} />} title={t('people.none')} />}
      columns={[
        {
          key: 'name',
          header: t('people.name'),
          isTitle: true,
          cell: (user) => (
            <Group gap={8}>
              <span>{user.name}</span>
              {!user.isActive && <Tag>{t('people.inactive')}</Tag>}
            </Group>
          ),
        },
        { key: 'display', header: t('people.displayName'), cell: (user) => user.displayName },
        { key: 'role', header: t('people.role'), cell: (user) => t(`roles.${user.role}`) },
        {
          key: 'last',
          header: t('people.lastSignIn'),
          cell: (user) =>
            user.lastSignInAt ? <Moment at={user.lastSignInAt} relative /> : t('people.never'),
        },
        {
          key: 'sessions',
          header: t('people.sessions'),
          align: 'right',
          cell: (user) => <span className="fl-numbers">{user.numberOfSessions}</span>,
        },
        {
          key: 'tokens',
          header: t('people.tokens'),
          align: 'right',
          cell: (user) => <span className="fl-numbers">{user.numberOfTokens}</span>,
        },
        {
          key: 'actions',
          header: t('table.actions'),
          isActions: true,
          cell: (user) => <UserMenu user={user} onAction={props.onAction} />,
        },
      ]}
    />
  );
}

function UserMenu({ user, onAction }: { user: User; onAction: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const queries = useQueryClient();
  const activating = useMutation({
    mutationFn: () => changeUser(user.id, { isActive: true }),
    onSettled: () => queries.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
  return (
    <Menu width={220}>
      <Menu.Target>
        <ActionIcon aria-label={t('people.menu', { name: user.name })}>
          <Ellipsis size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Pencil {...ICON} />} onClick={() => onAction({ kind: 'edit', user })}>
          {t('people.edit')}
        </Menu.Item>
        <Menu.Item
          leftSection={<RectangleEllipsis {...ICON} />}
          onClick={() => onAction({ kind: 'password', user })}
        >
          {t('people.resetPassword')}
        </Menu.Item>
        <Menu.Item leftSection={<KeyRound {...ICON} />} onClick={() => onAction({ kind: 'tokens', user })}>
          {t('tokens.title')}
        </Menu.Item>
        <Menu.Item
          leftSection={<LogOut {...ICON} />}
          disabled={user.numberOfSessions === 0}
          onClick={() => onAction({ kind: 'endSessions', user })}
        >
          {t('people.endSessions')}
        </Menu.Item>
        <Menu.Divider />
        {user.isActive ? (
          <Menu.Item
            color="red"
            leftSection={<UserX {...ICON} />}
            disabled={user.id === session.user.id}
            onClick={() => onAction({ kind: 'deactivate', user })}
          >
            {t('people.deactivate')}
          </Menu.Item>
        ) : (
          <Menu.Item leftSection={<UserCheck {...ICON} />} onClick={() => activating.mutate()}>
            {t('people.activate')}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

/** A change to the people: closes its dialog when it worked, and the list is read again. */
function useChange<Values>(change: (values: Values) => Promise<unknown>, said: string, onClose: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      notifications.show({ message: said });
      onClose();
      await queries.invalidateQueries({ queryKey: usersQuery.queryKey });
    },
  });
}

function useRoleOptions() {
  const { t } = useTranslation();
  return ROLES.map((role) => ({ value: role, label: t(`roles.${role}`) }));
}

function AddUser({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const roles = useRoleOptions();
  const form = useForm({
    initialValues: { name: '', displayName: '', role: 'radiologist' as Role, password: '' },
    validate: {
      name: (value) => (value.trim() ? null : t('signIn.nameMissing')),
      password: (value) => (value ? null : t('signIn.passwordMissing')),
    },
  });
  const adding = useChange(addUser, t('people.added'), onClose);
  return (
    <Dialog opened onClose={onClose} title={t('people.add')} size="md">
      <form
        onSubmit={form.onSubmit((values) =>
          adding.mutate({ ...values, name: values.name.trim(), displayName: values.displayName.trim() }),
        )}
        noValidate
      >
        <Stack gap="md">
          <FormError error={adding.error} />
          <TextInput
            label={t('people.name')}
            description={t('people.nameText')}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            data-autofocus
            {...form.getInputProps('name')}
          />
          <TextInput
            label={t('people.displayName')}
            autoComplete="off"
            {...form.getInputProps('displayName')}
          />
          <Select
            label={t('people.role')}
            description={t(`roles.text.${form.values.role}`)}
            allowDeselect={false}
            data={roles}
            {...form.getInputProps('role')}
          />
          <PasswordInput
            label={t('people.firstPassword')}
            description={t('password.hint')}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
            {...form.getInputProps('password')}
          />
          <FormButtons action={t('people.add')} isBusy={adding.isPending} onClose={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const roles = useRoleOptions();
  const form = useForm({ initialValues: { displayName: user.displayName, role: user.role } });
  const editing = useChange(
    (values: { displayName: string; role: Role }) =>
      changeUser(user.id, { ...values, displayName: values.displayName.trim() }),
    t('people.changed'),
    onClose,
  );
  return (
    <Dialog opened onClose={onClose} title={t('people.editNamed', { name: user.name })} size="md">
      <form onSubmit={form.onSubmit((values) => editing.mutate(values))} noValidate>
        <Stack gap="md">
          <FormError error={editing.error} />
          <TextInput label={t('people.displayName')} data-autofocus {...form.getInputProps('displayName')} />
          <Select
            label={t('people.role')}
            description={t(`roles.text.${form.values.role}`)}
            allowDeselect={false}
            data={roles}
            {...form.getInputProps('role')}
          />
          <FormButtons action={t('action.save')} isBusy={editing.isPending} onClose={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

function ResetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const form = useForm({
    initialValues: { password: '' },
    validate: { password: (value) => (value ? null : t('signIn.passwordMissing')) },
  });
  const resetting = useChange(
    ({ password }: { password: string }) => changeUser(user.id, { password }),
    t('password.changed'),
    onClose,
  );
  return (
    <Dialog opened onClose={onClose} title={t('people.resetPasswordNamed', { name: user.name })} size="md">
      <form onSubmit={form.onSubmit((values) => resetting.mutate(values))} noValidate>
        <Stack gap="md">
          <FormError error={resetting.error} />
          <PasswordInput
            label={t('password.new')}
            description={`${t('password.hint')} ${t('people.resetText')}`}
            autoComplete="new-password"
            data-autofocus
            visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
            {...form.getInputProps('password')}
          />
          <FormButtons action={t('people.resetPassword')} isBusy={resetting.isPending} onClose={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

function Deactivate({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const deactivating = useChange(
    () => changeUser(user.id, { isActive: false }),
    t('people.deactivated', { name: user.name }),
    onClose,
  );
  return (
    <ConfirmDialog
      opened
      title={t('people.deactivateNamed', { name: user.name })}
      text={t('people.deactivateText')}
      action={t('people.deactivate')}
      isBusy={deactivating.isPending}
      error={deactivating.error}
      onConfirm={() => deactivating.mutate(undefined)}
      onClose={onClose}
    />
  );
}

function EndSessions({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const ending = useChange(
    () => endSessions(user.id),
    t('people.sessionsEnded', { name: user.name }),
    onClose,
  );
  return (
    <ConfirmDialog
      opened
      title={t('people.endSessionsNamed', { name: user.name })}
      text={t('people.endSessionsText')}
      action={t('people.endSessions')}
      isBusy={ending.isPending}
      error={ending.error}
      onConfirm={() => ending.mutate(undefined)}
      onClose={onClose}
    />
  );
}
