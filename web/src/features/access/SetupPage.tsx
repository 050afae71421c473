import { Alert, Button, Loader, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { isSetupLinkValid, setUp } from '@/api/session';
import type { Session } from '@/api/types';
import { useTitle } from '@/lib/useTitle';
import { GatePage } from '@/ui/GatePage';
import { ErrorState } from '@/ui/States';

/** The first administrator, made with the link that the server printed once. */
export function SetupPage(props: {
  token: string;
  onSignedIn: (session: Session) => void;
  onLeave: () => void;
}) {
  const { t } = useTranslation();
  useTitle(t('setup.title'));
  const link = useQuery({
    queryKey: ['setup', props.token],
    queryFn: () => isSetupLinkValid(props.token),
    staleTime: Infinity,
  });

  return (
    <GatePage title={t('setup.title')}>
      {link.isPending && <Loader size="sm" aria-label={t('state.loading')} />}
      {link.isError && <ErrorState error={link.error} onRetry={() => void link.refetch()} />}
      {link.data === false && (
        <Stack>
          <Text size="sm">{t('setup.invalid')}</Text>
          <Button variant="default" onClick={props.onLeave}>
            {t('signIn.action')}
          </Button>
        </Stack>
      )}
      {link.data === true && <SetupForm token={props.token} onSignedIn={props.onSignedIn} />}
    </GatePage>
  );
}

function SetupForm({ token, onSignedIn }: { token: string; onSignedIn: (session: Session) => void }) {
  const { t } = useTranslation();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { name: '', password: '', repeated: '' },
    validate: {
      name: (value) => (value.trim() ? null : t('signIn.nameMissing')),
      password: (value) => (value ? null : t('signIn.passwordMissing')),
      repeated: (value, values) => (value === values.password ? null : t('password.differ')),
    },
  });
  const settingUp = useMutation({
    mutationFn: ({ name, password }: { name: string; password: string }) =>
      setUp(token, name.trim(), password),
    onSuccess: onSignedIn,
  });
  return (
    <form onSubmit={form.onSubmit((values) => settingUp.mutate(values))} noValidate>
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          {t('setup.text')}
        </Text>
        {settingUp.error && (
          <Alert color="red" variant="light" role="alert">
            {settingUp.error.message}
          </Alert>
        )}
        <TextInput
          label={t('signIn.name')}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          key={form.key('name')}
          {...form.getInputProps('name')}
        />
        <PasswordInput
          label={t('signIn.password')}
          description={t('password.hint')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
          key={form.key('password')}
          {...form.getInputProps('password')}
        />
        <PasswordInput
          label={t('password.repeat')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
          key={form.key('repeated')}
          {...form.getInputProps('repeated')}
        />
        <Button type="submit" fullWidth loading={settingUp.isPending}>
          {t('setup.action')}
        </Button>
      </Stack>
    </form>
  );
}
