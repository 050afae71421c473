import { ActionIcon, CloseButton, Loader, TextInput } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ChevronDown, ChevronRight, Search } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';
import { client, unwrap } from '@/api/client';
import { formatBytes } from '@/lib/bytes';
import { useLocale } from '@/lib/useLocale';
import { ErrorState } from '@/ui/States';
import type { Instance } from '../data/frames';
import { formatTag, type Tag, type TagRow, tagRows } from '../data/tagTree';
import { useTexts } from '../i18n';
import { displaySetOf, useViewer, type ViewerState } from '../state/store';
import classes from './TagPanel.module.css';

function activeInstance(state: ViewerState): Instance | null {
  const set = displaySetOf(state, state.active);
  if (!set) return null;
  if (set.kind === 'object') return set.representative;
  const { shown, index } = state.panes[state.active];
  return set.frames[shown ?? index]?.instance ?? null;
}

const PATH = '/studies/{studyInstanceUid}/series/{seriesInstanceUid}/instances/{sopInstanceUid}/tags';

function useTags(instance: Instance | null) {
  return useQuery({
    queryKey: ['tags', instance?.sopInstanceUid],
    enabled: instance !== null,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }): Promise<Tag[]> =>
      unwrap(
        client.GET(PATH, {
          params: {
            path: {
              studyInstanceUid: instance?.studyInstanceUid ?? '',
              seriesInstanceUid: instance?.seriesInstanceUid ?? '',
              sopInstanceUid: instance?.sopInstanceUid ?? '',
            },
          },
          signal,
        }),
      ),
  });
}

const ROW_HEIGHT = 26;

/** Every attribute of the instance on the screen, beside it: scrolling the images turns the pages. */
export function TagPanel() {
  const t = useTexts();
  const instance = useViewer(activeInstance);
  const { data, error, isPending, refetch } = useTags(instance);
  const [search, setSearch] = useState('');
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => tagRows(data ?? [], opened, search), [data, opened, search]);
  const count = rows.filter((row) => row.kind === 'element').length;
  const close = (): void => useViewer.setState({ hasTags: false });

  const toggle = (path: string): void => {
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(path)) after.add(path);
      return after;
    });
  };

  return (
    <aside className={classes.panel} aria-label={t('tags.title')}>
      <div className={classes.head}>
        <h2>{t('tags.title')}</h2>
        <span className={classes.count}>{t('tags.count', { count })}</span>
        <CloseButton aria-label={t('tags.close')} onClick={close} />
      </div>
      <TextInput
        className={classes.search}
        leftSection={<Search size={15} />}
        placeholder={t('tags.search')}
        aria-label={t('tags.search')}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.preventDefault();
          if (search) setSearch('');
          else close();
        }}
      />
      {instance === null ? (
        <p className={classes.none}>{t('tags.noInstance')}</p>
      ) : error ? (
        <ErrorState error={error} onRetry={() => void refetch()} />
      ) : isPending ? (
        <Loader size="sm" color="gray" mx="auto" mt="lg" />
      ) : rows.length === 0 ? (
        <p className={classes.none}>{t('tags.none')}</p>
      ) : (
        <TagTable rows={rows} onToggle={toggle} />
      )}
    </aside>
  );
}

function TagTable({ rows, onToggle }: { rows: TagRow[]; onToggle: (path: string) => void }) {
  const t = useTexts();
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  return (
    <div
      ref={scroller}
      className={classes.table}
      role="table"
      aria-label={t('tags.title')}
      aria-rowcount={rows.length + 1}
      tabIndex={0}
    >
      <div className={classes.header} role="row" aria-rowindex={1}>
        <span role="columnheader">{t('tags.tag')}</span>
        <span role="columnheader">{t('tags.vr')}</span>
        <span role="columnheader">{t('tags.name')}</span>
        <span role="columnheader">{t('tags.value')}</span>
      </div>
      <div role="rowgroup" style={{ height: virtualizer.getTotalSize(), position: 'relative' }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const row = rows[index];
          return (
            row && (
              <div
                key={row.path}
                role="row"
                aria-rowindex={index + 2}
                className={classes.row}
                style={{ transform: `translateY(${start}px)` }}
              >
                {row.kind === 'element' ? (
                  <ElementCells row={row} onToggle={onToggle} />
                ) : (
                  <span
                    role="cell"
                    className={classes.item}
                    style={{ paddingInlineStart: 14 + row.depth * 12 }}
                  >
                    {t('tags.item', { number: row.number })}
                  </span>
                )}
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

function ElementCells({
  row,
  onToggle,
}: {
  row: TagRow & { kind: 'element' };
  onToggle: (path: string) => void;
}) {
  const t = useTexts();
  const locale = useLocale();
  const { tag, depth, isOpen, path } = row;
  const name = tag.name || tag.keyword;
  const value = tag.items
    ? t('tags.items', { count: tag.items.length })
    : (tag.value ?? t('tags.bytes', { size: formatBytes(tag.lengthBytes, locale) }));
  return (
    <>
      <span role="cell" className={classes.tag} style={{ paddingInlineStart: depth * 12 }}>
        {tag.items ? (
          <ActionIcon
            size={20}
            aria-expanded={isOpen}
            aria-label={t(isOpen ? 'tags.collapse' : 'tags.expand', { name })}
            onClick={() => onToggle(path)}
          >
            {isOpen ? <ChevronDown size={14} /> : <ChevronRight size={14} />}
          </ActionIcon>
        ) : (
          <span className={classes.gap} />
        )}
        {formatTag(tag.tag)}
      </span>
      <span role="cell" className={classes.vr}>
        {tag.vr}
      </span>
      <span role="cell" className={classes.name} title={tag.keyword}>
        {name}
      </span>
      <bdi
        role="cell"
        className={classes.value}
        data-soft={tag.items !== null || tag.value === null || undefined}
        title={value}
      >
        {value}
      </bdi>
    </>
  );
}
