import { Button } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import type { Failure } from '../data/errors';
import { useTexts } from '../i18n';
import classes from './FailureText.module.css';

/** Why nothing is shown, in plain words, what the server said below it, and a way to try again. */
export function FailureText({ failure, onRetry }: { failure: Failure; onRetry: (() => void) | null }) {
  const t = useTexts();
  return (
    <div className={classes.tile} role="alert">
      <CircleAlert size={26} strokeWidth={1.5} aria-hidden className={classes.icon} />
      <p className={classes.reason}>{t(`failure.${failure.kind}`)}</p>
      {failure.detail && <p className={classes.detail}>{failure.detail}</p>}
      {onRetry && (
        <Button variant="default" size="xs" onClick={onRetry}>
          {t('pane.retry')}
        </Button>
      )}
    </div>
  );
}
