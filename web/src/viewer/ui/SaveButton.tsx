import { Button, type ButtonProps, Text } from '@mantine/core';
import { type ComponentPropsWithoutRef, useId } from 'react';
import { useHasRight } from '@/api/session';
import { useTexts } from '../i18n';

type SaveButtonProps = ButtonProps & Omit<ComponentPropsWithoutRef<'button'>, keyof ButtonProps>;

/** Saves something in the archive; whoever may not store is told so, and not first when it is refused. */
export function SaveButton({ disabled, ...rest }: SaveButtonProps) {
  const t = useTexts();
  const canStore = useHasRight('store');
  const reason = useId();
  return (
    <>
      <Button
        {...rest}
        disabled={disabled === true || !canStore}
        aria-describedby={canStore ? undefined : reason}
      />
      {!canStore && (
        <Text id={reason} size="xs" c="dimmed" data-role="may-not-store">
          {t('rights.store')}
        </Text>
      )}
    </>
  );
}
