import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Outage } from '@/features/operation/Outage';
import { useTitle } from '@/lib/useTitle';
import { ButtonLink } from '@/ui/links';
import { EmptyState, ErrorState } from '@/ui/States';

export function RouteError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  return (
    <main>
      <Outage />
      <ErrorState
        error={error}
        onRetry={() => {
          reset();
          void router.invalidate();
        }}
      />
    </main>
  );
}

export function MissingRoute() {
  const { t } = useTranslation();
  useTitle(t('missing.title'));
  return (
    <main>
      <EmptyState
        icon={<Compass size={28} strokeWidth={1.5} />}
        title={t('missing.title')}
        text={t('missing.text')}
        action={
          <ButtonLink to="/" variant="default">
            {t('nav.studies')}
          </ButtonLink>
        }
      />
    </main>
  );
}
