import { Button, Stack, Text } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Unreachable } from '@/lib/errors';
import classes from './States.module.css';

/** Nothing to show, and what to do about it. */
export function EmptyState(props: { icon: ReactNode; title: string; text?: ReactNode; action?: ReactNode }) {
  return (
    <Stack className={classes.state} align="center" gap="xs">
      <span className={classes.icon} aria-hidden>
        {props.icon}
      </span>
      <Text fw={600}>{props.title}</Text>
      {props.text && (
        <Text size="sm" c="dimmed" ta="center" maw={420}>
          {props.text}
        </Text>
      )}
      {props.action && <div className={classes.action}>{props.action}</div>}
    </Stack>
  );
}

/** Something went wrong: the reason in words, and a way to try again. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const reason =
    error instanceof Unreachable
      ? t('error.unreachable')
      : error instanceof Error
        ? error.message
        : String(error);
  return (
    <Stack className={classes.state} align="center" gap="xs" role="alert">
      <span className={classes.icon} data-kind="error" aria-hidden>
        <CircleAlert size={28} strokeWidth={1.5} />
      </span>
      <Text fw={600}>{t('error.title')}</Text>
      <Text size="sm" c="dimmed" ta="center" maw={480}>
        {reason}
      </Text>
      {onRetry && (
        <Button variant="default" mt="xs" onClick={onRetry}>
          {t('error.retry')}
        </Button>
      )}
    </Stack>
  );
}
