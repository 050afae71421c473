import { Button, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { ImagePlus, SearchX } from 'lucide-react';
import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { setReadingList } from '@/api/readingList';
import { studiesQuery, TOTAL_MAX } from '@/api/studies';
import { useHotkeys } from '@/lib/hotkeys';
import { useLocale } from '@/lib/useLocale';
import { useTitle } from '@/lib/useTitle';
import { useToday } from '@/lib/useToday';
import { EmptyState, ErrorState } from '@/ui/States';
import { ActiveFilters } from './ActiveFilters';
import { Filters } from './Filters';
import { countFilters, filterOf, type StudiesSearch } from './search';
import classes from './StudiesPage.module.css';
import { StudyCards } from './StudyCards';
import { StudyTable } from './StudyTable';

export type OnSearch = (next: StudiesSearch, how: { isTyping: boolean }) => void;

interface Props {
  search: StudiesSearch;
  onSearch: OnSearch;
  upload: ReactNode;
}

/** All studies one may see, found and ordered by what stands in the address bar. */
export function StudiesPage({ search, onSearch, upload }: Props) {
  const { t } = useTranslation();
  useTitle(t('studies.title'));
  const locale = useLocale();
  const today = useToday();
  const isNarrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false });
  const filter = useMemo(() => filterOf(search, today), [search, today]);
  const studies = useInfiniteQuery(studiesQuery(filter));
  const rows = useMemo(() => studies.data?.pages.flatMap((page) => page.items) ?? [], [studies.data]);
  const total = studies.data?.pages[0]?.total;
  const shown = `${(total ?? 0).toLocaleString(locale)}${total === TOTAL_MAX ? '+' : ''}`;
  const { isPlaceholderData } = studies;
  const nextCursor = studies.data?.pages.at(-1)?.nextCursor ?? null;
  useEffect(() => {
    if (!isPlaceholderData) setReadingList(rows, filter, nextCursor);
  }, [rows, filter, nextCursor, isPlaceholderData]);
  const searchBox = useRef<HTMLInputElement>(null);

  useHotkeys([
    {
      id: 'studies.search',
      group: t('studies.title'),
      label: t('studies.search'),
      keys: ['/', 'Shift+/'],
      run: (event) => {
        event.preventDefault();
        searchBox.current?.focus();
        searchBox.current?.select();
      },
    },
  ]);

  const List = isNarrow ? StudyCards : StudyTable;
  return (
    <main className={classes.page} id="content" tabIndex={-1}>
      <h1 className="fl-visually-hidden">{t('studies.title')}</h1>
      <div className={classes.bar}>
        <Filters search={search} onSearch={onSearch} searchBox={searchBox} isNarrow={isNarrow} />
        {!isNarrow && (
          <Text size="sm" c="dimmed" className={classes.total} role="status">
            {total !== undefined && t('count.studies', { count: total, shown })}
          </Text>
        )}
        {upload}
      </div>
      <ActiveFilters search={search} onSearch={onSearch} isNarrow={isNarrow} />
      {isNarrow && total !== undefined && (
        <Text size="xs" c="dimmed" px={14} pb={6} role="status">
          {t('count.studies', { count: total, shown })}
        </Text>
      )}
      {studies.isError && rows.length === 0 ? (
        <ErrorState error={studies.error} onRetry={() => void studies.refetch()} />
      ) : studies.isSuccess && rows.length === 0 ? (
        <Nothing isSearching={countFilters(search) > 0} onClear={() => onSearch({}, { isTyping: false })} />
      ) : (
        <List
          search={search}
          onSearch={onSearch}
          rows={rows}
          total={total ?? 0}
          isLoading={studies.isPending}
          isStale={studies.isPlaceholderData}
          hasMore={studies.hasNextPage}
          onMore={() => {
            if (!studies.isFetchingNextPage) void studies.fetchNextPage();
          }}
        />
      )}
    </main>
  );
}

function Nothing({ isSearching, onClear }: { isSearching: boolean; onClear: () => void }) {
  const { t } = useTranslation();
  if (isSearching) {
    return (
      <EmptyState
        icon={<SearchX size={26} strokeWidth={1.5} />}
        title={t('studies.notFound')}
        text={t('studies.notFoundText')}
        action={
          <Button variant="default" onClick={onClear}>
            {t('studies.clear')}
          </Button>
        }
      />
    );
  }
  return (
    <EmptyState
      icon={<ImagePlus size={26} strokeWidth={1.5} />}
      title={t('studies.none')}
      text={t('studies.noneText')}
    />
  );
}
