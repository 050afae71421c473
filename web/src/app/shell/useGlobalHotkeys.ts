import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import { useHotkeys } from '@/lib/hotkeys';
import { cheatSheet } from './CheatSheet';
import { palette } from './palette';

/** The keys that work on every page. */
export function useGlobalHotkeys(): void {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const isAdministrator = useHasRight('administer');
  const group = t('hotkeys.everywhere');
  useHotkeys([
    {
      id: 'app.palette',
      group,
      label: t('palette.open'),
      keys: ['$mod+k'],
      whileTyping: true,
      run: (event) => {
        event.preventDefault();
        palette.open();
      },
    },
    { id: 'app.keys', group, label: t('hotkeys.open'), keys: ['?', 'Shift+?'], run: () => cheatSheet.open() },
    {
      id: 'app.studies',
      group,
      label: t('nav.studies'),
      keys: ['g s'],
      run: () => void navigate({ to: '/' }),
    },
    ...(isAdministrator
      ? [
          {
            id: 'app.administration',
            group,
            label: t('nav.administration'),
            keys: ['g a'],
            run: () => void navigate({ to: '/admin/$section', params: { section: 'people' } }),
          },
        ]
      : []),
  ]);
}
