import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, isTransient } from '@/api/errors';
import { signIn } from '@/api/session';
import type { Session } from '@/api/types';
import { useTitle } from '@/lib/useTitle';
import { GatePage } from '@/ui/GatePage';

/** Seconds left until `until`, counted down. */
function useSecondsUntil(until: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === null) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
}

export function SignInPage(props: { wasSignedOut: boolean; onSignedIn: (session: Session) => void }) {
  const { t } = useTranslation();
  useTitle(t('signIn.title'));
  const [blockedUntil, setBlockedUntil] = useState<number | null>(null);
  const secondsLeft = useSecondsUntil(blockedUntil);
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { name: '', password: '' },
    validate: {
      name: (value) => (value.trim() ? null : t('signIn.nameMissing')),
      password: (value) => (value ? null : t('signIn.passwordMissing')),
    },
  });
  const signingIn = useMutation({
    mutationFn: ({ name, password }: { name: string; password: string }) => signIn(name.trim(), password),
    onSuccess: props.onSignedIn,
    onError: (error) => {
      if (error instanceof ApiError && error.status === 429) {
        setBlockedUntil(Date.now() + (error.retryAfterS ?? 60) * 1000);
      }
    },
  });

  return (
    <GatePage title={t('signIn.title')}>
      <form onSubmit={form.onSubmit((values) => signingIn.mutate(values))} noValidate>
        <Stack gap="md">
          {props.wasSignedOut && !signingIn.error && <Alert variant="light">{t('signIn.expired')}</Alert>}
          {secondsLeft > 0 ? (
            <Alert color="yellow" variant="light" role="alert">
              {t('signIn.tooMany', { count: secondsLeft })}
            </Alert>
          ) : (
            signingIn.error && (
              <Alert color="red" variant="light" role="alert">
                <SignInError error={signingIn.error} />
              </Alert>
            )
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
            autoComplete="current-password"
            visibilityToggleButtonProps={{ 'aria-label': t('signIn.showPassword') }}
            key={form.key('password')}
            {...form.getInputProps('password')}
          />
          <Button type="submit" fullWidth loading={signingIn.isPending} disabled={secondsLeft > 0}>
            {t('signIn.action')}
          </Button>
        </Stack>
      </form>
    </GatePage>
  );
}

function SignInError({ error }: { error: Error }) {
  const { t } = useTranslation();
  if (isTransient(error)) return t('error.unreachable');
  if (error instanceof ApiError && error.status === 401) return t('signIn.wrong');
  return error.message;
}
