import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight } from '@mantine/spotlight';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Keyboard, LayoutList, Search, Settings, Zap } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import { findStudiesQuery } from '@/api/studies';
import { useRegisteredHotkeys } from '@/lib/hotkeys';
import { nameInOneLine } from '@/lib/names';
import { Keycaps } from '@/ui/Keycaps';
import { ModalityBadges } from '@/ui/ModalityBadge';
import { StudyDate } from '@/ui/StudyDate';
import { ADMIN_SECTIONS } from '../routes/adminSections';
import { cheatSheet } from './CheatSheet';
import classes from './Palette.module.css';
import { paletteStore } from './palette';

/** These lead here, or stand among the pages. */
const NO_COMMANDS = new Set(['app.palette', 'app.keys', 'app.studies', 'app.administration']);

const ICON = { size: 16, strokeWidth: 1.75 } as const;

/** Ctrl+K: to a study by a few letters of anything, or to a page. */
export function Palette() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const isAdministrator = useHasRight('administer');
  const [query, setQuery] = useState('');
  const [settled] = useDebouncedValue(query.trim(), 150);
  const studies = useQuery({ ...findStudiesQuery(settled), enabled: settled.length >= 2 });

  const typed = query.trim().toLocaleLowerCase();
  const commands = useRegisteredHotkeys().filter(
    ({ id, label }) => !NO_COMMANDS.has(id) && typed !== '' && label.toLocaleLowerCase().includes(typed),
  );
  const pages = [
    {
      id: 'studies',
      label: t('nav.studies'),
      icon: <LayoutList {...ICON} />,
      run: () => void navigate({ to: '/' }),
    },
    ...(isAdministrator
      ? ADMIN_SECTIONS.map((section) => ({
          id: `admin.${section}`,
          label: `${t('nav.administration')}: ${t(`admin.sections.${section}`)}`,
          icon: <Settings {...ICON} />,
          run: () => void navigate({ to: '/admin/$section', params: { section } }),
        }))
      : []),
    { id: 'keys', label: t('hotkeys.title'), icon: <Keyboard {...ICON} />, run: () => cheatSheet.open() },
  ].filter((page) => page.label.toLocaleLowerCase().includes(typed));
  const found = settled.length >= 2 ? (studies.data?.items ?? []) : [];

  return (
    <Spotlight.Root
      store={paletteStore}
      shortcut={null}
      query={query}
      onQueryChange={setQuery}
      maxHeight={420}
      size={600}
      scrollable
      overlayProps={{ blur: 0, backgroundOpacity: 0.6 }}
      attributes={{ content: { 'aria-label': t('palette.placeholder') } }}
    >
      <Spotlight.Search
        placeholder={t('palette.placeholder')}
        aria-label={t('palette.placeholder')}
        leftSection={<Search {...ICON} />}
      />
      <Spotlight.ActionsList>
        {query.trim() !== '' && (
          <Spotlight.Action
            label={t('palette.searchFor', { text: query.trim() })}
            leftSection={<Search {...ICON} />}
            onClick={() => void navigate({ to: '/', search: { q: query.trim() } })}
          />
        )}
        {found.length > 0 && (
          <Spotlight.ActionsGroup label={t('nav.studies')}>
            {found.map((study) => (
              <Spotlight.Action
                key={study.studyInstanceUid}
                onClick={() =>
                  void navigate({
                    to: '/studies/$studyInstanceUid',
                    params: { studyInstanceUid: study.studyInstanceUid },
                  })
                }
              >
                <span className={classes.study}>
                  <span className={classes.name}>
                    {nameInOneLine(study.patientName) || t('patient.unnamed')}
                    <span className={classes.id}>{study.patientId}</span>
                  </span>
                  <span className={classes.facts}>
                    <ModalityBadges modalities={study.modalities} />
                    <span className={classes.description}>{study.studyDescription}</span>
                    <StudyDate date={study.studyDate} time={study.studyTime} />
                  </span>
                </span>
              </Spotlight.Action>
            ))}
          </Spotlight.ActionsGroup>
        )}
        {commands.length > 0 && (
          <Spotlight.ActionsGroup label={t('palette.commands')}>
            {commands.map(({ id, label, keys, run }) => (
              <Spotlight.Action
                key={id}
                label={label}
                leftSection={<Zap {...ICON} />}
                rightSection={keys[0] && <Keycaps binding={keys[0]} />}
                onClick={() => run(new KeyboardEvent('keydown', { cancelable: true }))}
              />
            ))}
          </Spotlight.ActionsGroup>
        )}
        {pages.length > 0 && (
          <Spotlight.ActionsGroup label={t('palette.pages')}>
            {pages.map((page) => (
              <Spotlight.Action key={page.id} label={page.label} leftSection={page.icon} onClick={page.run} />
            ))}
          </Spotlight.ActionsGroup>
        )}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}
