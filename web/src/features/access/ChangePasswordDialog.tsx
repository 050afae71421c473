import { PasswordInput, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { changePassword, useSession } from '@/api/session';
import { FormButtons, FormError } from '@/ui/forms';
import { Dialog } from '@/ui/Dialog';

export function ChangePasswordDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog opened={opened} onClose={onClose} title={t('password.change')} size="sm">
      <ChangePasswordForm onClose={onClose} />
    </Dialog>
  );
}

function ChangePasswordForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { user } = useSession();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { current: '', replacement: '', repeated: '' },
    validate: {
      current: (value) => (value ? null : t('signIn.passwordMissing')),
      replacement: (value) => (value ? null : t('signIn.passwordMissing')),
      repeated: (value, values) => (value === values.replacement ? null : t('password.differ')),
    },
  });
  const changing = useMutation({
    mutationFn: (values: { current: string; replacement: string }) =>
      changePassword(values.current, values.replacement),
    onSuccess: () => {
      notifications.show({ message: t('password.changed') });
      onClose();
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => changing.mutate(values))} noValidate>
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          {t('password.text')}
        </Text>
        <FormError error={changing.error} />
        {/* Tells password managers whose password this is. */}
        <input type="text" autoComplete="username" value={user.name} readOnly hidden />
        <PasswordInput
          label={t('password.current')}
          autoComplete="current-password"
          data-autofocus
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
          key={form.key('current')}
          {...form.getInputProps('current')}
        />
        <PasswordInput
          label={t('password.new')}
          description={t('password.hint')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
          key={form.key('replacement')}
          {...form.getInputProps('replacement')}
        />
        <PasswordInput
          label={t('password.repeat')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
          key={form.key('repeated')}
          {...form.getInputProps('repeated')}
        />
        <FormButtons action={t('password.change')} isBusy={changing.isPending} onClose={onClose} />
      </Stack>
    </form>
  );
}
