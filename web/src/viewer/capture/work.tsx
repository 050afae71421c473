import { Progress, SegmentedControl, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { Failure } from '../data/errors';
import { type Texts, useTexts } from '../i18n';
import type { Identity } from './captions';
import { CannotSave } from './refusal';

/** Whether a file says whose images it holds. */
export function IdentityChoice({
  identity,
  isDisabled,
  onChange,
}: {
  identity: Identity;
  isDisabled: boolean;
  onChange: (identity: Identity) => void;
}) {
  const t = useTexts();
  return (
    <SegmentedControl
      aria-label={t('capture.identity')}
      value={identity}
      disabled={isDisabled}
      onChange={(value) => onChange(value === 'none' ? 'none' : 'patient')}
      data={[
        { value: 'patient', label: t('capture.withIdentity') },
        { value: 'none', label: t('capture.withoutIdentity') },
      ]}
    />
  );
}

/** What went wrong, in the reader's words; null when it was called off. */
function reasonOf(t: Texts, error: unknown): string | null {
  if (error instanceof DOMException && error.name === 'AbortError') return null;
  if (error instanceof CannotSave) return t(error.notice.text, error.notice.values);
  if (error instanceof Failure) return [t(`failure.${error.kind}`), error.detail].filter(Boolean).join(' ');
  return error instanceof Error ? error.message : String(error);
}

/** A piece of work that can be called off; it is when the dialog goes. */
export function useWork(): {
  isWorking: boolean;
  reason: string | null;
  run: (work: (signal: AbortSignal) => Promise<void>) => void;
  stop: () => void;
} {
  const t = useTexts();
  const controller = useRef<AbortController | null>(null);
  const [isWorking, setIsWorking] = useState(false);
  const [reason, setReason] = useState<string | null>(null);
  const stop = (): void => controller.current?.abort();
  useEffect(() => () => controller.current?.abort(), []);
  const run = (work: (signal: AbortSignal) => Promise<void>): void => {
    const own = new AbortController();
    controller.current = own;
    setIsWorking(true);
    setReason(null);
    work(own.signal)
      .catch((error: unknown) => setReason(reasonOf(t, error)))
      .finally(() => setIsWorking(false));
  };
  return { isWorking, reason, run, stop };
}

/** How far a piece of work has come. */
export function WorkProgress({ words, share }: { words: string; share: number }) {
  return (
    <div role="status">
      <Text size="sm">{words}</Text>
      <Progress value={100 * Math.min(1, share)} aria-label={words} />
    </div>
  );
}
