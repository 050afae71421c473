import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { PeopleSection } from '@/features/access/PeopleSection';
import { AuditSection } from '@/features/operation/AuditSection';
import { DeletionsSection } from '@/features/operation/DeletionsSection';
import { HealthBanner } from '@/features/operation/HealthBanner';
import { HealthSection } from '@/features/operation/HealthSection';
import { JobsSection } from '@/features/operation/JobsSection';
import { StorageSection } from '@/features/operation/StorageSection';
import { PeersSection } from '@/features/peers/PeersSection';
import { WebhooksSection } from '@/features/webhooks/WebhooksSection';
import { useTitle } from '@/lib/useTitle';
import { ErrorBoundary } from '@/ui/ErrorBoundary';
import { Page } from '@/ui/Page';
import classes from './AdminRoute.module.css';
import { ADMIN_SECTIONS, type AdminSection, isAdminSection } from './adminSections';

const route = getRouteApi('/signed-in/shell/admin/$section');

const SECTIONS: Record<AdminSection, () => React.ReactNode> = {
  health: HealthSection,
  people: PeopleSection,
  peers: PeersSection,
  webhooks: WebhooksSection,
  jobs: JobsSection,
  storage: StorageSection,
  deletions: DeletionsSection,
  audit: AuditSection,
};

export function AdminRoute() {
  const { t } = useTranslation();
  const { section } = route.useParams();
  const current = isAdminSection(section) ? section : 'people';
  const Section = SECTIONS[current];
  useTitle(t(`admin.sections.${current}`));
  const tabs = useRef<HTMLElement>(null);
  // On a phone the tabs are wider than the screen.
  useEffect(() => {
    tabs.current
      ?.querySelector(`[href$="/${current}"]`)
      ?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [current]);
  return (
    <Page>
      <h1 className="fl-visually-hidden">{t('nav.administration')}</h1>
      <nav ref={tabs} className={classes.tabs} aria-label={t('nav.administration')}>
        {ADMIN_SECTIONS.map((one) => (
          <Link key={one} to="/admin/$section" params={{ section: one }} className={classes.tab}>
            {t(`admin.sections.${one}`)}
          </Link>
        ))}
      </nav>
      {current !== 'health' && <HealthBanner />}
      <ErrorBoundary key={current}>
        <Section />
      </ErrorBoundary>
    </Page>
  );
}
