import { ActionIcon, Tooltip, UnstyledButton } from '@mantine/core';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { LayoutList, Search, SlidersHorizontal } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import { UploadCenter } from '@/features/upload/UploadCenter';
import { Keycaps } from '@/ui/Keycaps';
import { Logo } from '@/ui/Logo';
import { ErrorBoundary } from '@/ui/ErrorBoundary';
import { AccountMenu } from './AccountMenu';
import { ConnectionNotice } from './ConnectionNotice';
import { palette } from './palette';
import classes from './Shell.module.css';

const ICON = { size: 17, strokeWidth: 1.75 } as const;

/** The frame around every page but the viewer, which has the screen for itself. */
export function Shell() {
  const { t } = useTranslation();
  const isAdministrator = useHasRight('administer');
  const isAmongStudies = useRouterState({
    select: ({ location }) => location.pathname === '/' || location.pathname.startsWith('/studies/'),
  });
  const mayStore = useHasRight('store');
  return (
    <div className={classes.shell}>
      <a href="#content" className={classes.skip}>
        {t('nav.skip')}
      </a>
      <header className={classes.header}>
        <Link to="/" className={classes.brand} aria-label="Filmless">
          <Logo size={24} />
          <span className={classes.word}>Filmless</span>
        </Link>
        <nav className={classes.nav} aria-label={t('nav.main')}>
          <Link to="/" className={classes.link} data-status={isAmongStudies ? 'active' : undefined}>
            <LayoutList {...ICON} aria-hidden />
            <span>{t('nav.studies')}</span>
          </Link>
          {isAdministrator && (
            <Link
              to="/admin/$section"
              params={{ section: 'people' }}
              className={classes.link}
              activeOptions={{ exact: false, includeSearch: false }}
            >
              <SlidersHorizontal {...ICON} aria-hidden />
              <span>{t('nav.administration')}</span>
            </Link>
          )}
        </nav>
        <div className={classes.end}>
          <ConnectionNotice />
          <UnstyledButton className={classes.search} onClick={palette.open} visibleFrom="sm">
            <Search size={14} strokeWidth={2} aria-hidden />
            <span>{t('palette.button')}</span>
            <Keycaps binding="$mod+k" />
          </UnstyledButton>
          <Tooltip label={t('palette.open')}>
            <ActionIcon size="lg" hiddenFrom="sm" aria-label={t('palette.open')} onClick={palette.open}>
              <Search {...ICON} />
            </ActionIcon>
          </Tooltip>
          <AccountMenu />
        </div>
      </header>
      <ErrorBoundary>
        <Outlet />
      </ErrorBoundary>
      {mayStore && <UploadCenter />}
    </div>
  );
}
