import { Skeleton, Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, Eye, Info } from 'lucide-react';
import { type CSSProperties, useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import type { StudyRow } from '@/api/types';
import { useHotkeys } from '@/lib/hotkeys';
import { nameInOneLine } from '@/lib/names';
import { Bytes } from '@/ui/Bytes';
import { IconLink } from '@/ui/links';
import { ModalityBadges } from '@/ui/ModalityBadge';
import { PatientFacts } from '@/ui/PatientFacts';
import { PatientName } from '@/ui/PatientName';
import { StudyDate } from '@/ui/StudyDate';
import { AHEAD, type ListProps, useOpenStudy, usePlace } from './list';
import { DEFAULT_SORT, nextSort, SORT_FIELDS, type SortField, sortFieldOf } from './search';
import classes from './StudyTable.module.css';
import { useFreshness } from './useFreshness';

const ROW_PX = 40;

const features = tableFeatures({});
const column = createColumnHelper<typeof features, StudyRow>();

type ColumnId =
  | 'patientName'
  | 'patientId'
  | 'patient'
  | 'studyDate'
  | 'modalities'
  | 'studyDescription'
  | 'accessionNumber'
  | 'counts'
  | 'size'
  | 'actions';

/** Widths, and below which width of the window a column gives way. */
const LAYOUT: Record<ColumnId, { width: string; class?: string; isNumber?: boolean }> = {
  patientName: { width: 'minmax(170px, 2.4fr)' },
  patientId: { width: 'minmax(90px, 1fr)' },
  patient: { width: '176px', class: classes.atLarge },
  studyDate: { width: '148px' },
  modalities: { width: '116px' },
  studyDescription: { width: 'minmax(120px, 2fr)' },
  accessionNumber: { width: 'minmax(90px, 0.9fr)', class: classes.atLarge },
  counts: { width: '92px', isNumber: true },
  size: { width: '76px', isNumber: true, class: classes.atLarge },
  actions: { width: '72px' },
};

const isColumn = (id: string): id is ColumnId => id in LAYOUT;
const layoutOf = (id: string) => LAYOUT[isColumn(id) ? id : 'size'];

const columns = column.columns([
  column.display({
    id: 'patientName',
    cell: ({ row }) => (
      <Link
        to="/studies/$studyInstanceUid"
        params={{ studyInstanceUid: row.original.studyInstanceUid }}
        className={classes.name}
        tabIndex={-1}
      >
        <PatientName name={row.original.patientName} />
      </Link>
    ),
  }),
  column.display({ id: 'patientId', cell: ({ row }) => row.original.patientId }),
  column.display({
    id: 'patient',
    cell: ({ row }) => (
      <PatientFacts
        birthDate={row.original.patientBirthDate}
        sex={row.original.patientSex}
        studyDate={row.original.studyDate}
      />
    ),
  }),
  column.display({
    id: 'studyDate',
    cell: ({ row }) => <StudyDate date={row.original.studyDate} time={row.original.studyTime} />,
  }),
  column.display({
    id: 'modalities',
    cell: ({ row }) => <ModalityBadges modalities={row.original.modalities} />,
  }),
  column.display({
    id: 'studyDescription',
    cell: ({ row }) => <span title={row.original.studyDescription}>{row.original.studyDescription}</span>,
  }),
  column.display({ id: 'accessionNumber', cell: ({ row }) => row.original.accessionNumber }),
  column.display({
    id: 'counts',
    cell: ({ row }) => (
      <Counts series={row.original.numberOfSeries} instances={row.original.numberOfInstances} />
    ),
  }),
  column.display({ id: 'size', cell: ({ row }) => <Bytes value={row.original.sizeBytes} /> }),
  column.display({ id: 'actions', cell: ({ row }) => <RowActions study={row.original} /> }),
]);

const isSortField = (id: string): id is SortField => SORT_FIELDS.some((field) => field === id);

/** The list on a screen with room: a grid of rows of which only those in sight exist. */
export function StudyTable(props: ListProps) {
  const { t } = useTranslation();
  const id = useId();
  const mayView = useHasRight('view');
  const open = useOpenStudy();
  const { initial, remember } = usePlace(props.search);
  const [activeUid, setActiveUid] = useState(initial.activeUid);
  const scroller = useRef<HTMLDivElement>(null);
  const { rows, hasMore, onMore } = props;
  const table = useTable({ features, columns, data: rows, getRowId: (row) => row.studyInstanceUid });
  const tableRows = table.getRowModel().rows;

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => rows[index]?.studyInstanceUid ?? index,
    initialOffset: initial.offsetPx,
    scrollPaddingStart: ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && lastIndex >= rows.length - AHEAD) onMore();
  }, [hasMore, lastIndex, rows.length, onMore]);

  const activeIndex = activeUid === null ? -1 : rows.findIndex((row) => row.studyInstanceUid === activeUid);
  const active = rows[activeIndex];
  const activate = (uid: string) => {
    setActiveUid(uid);
    remember({ offsetPx: scroller.current?.scrollTop ?? 0, activeUid: uid });
  };
  const moveTo = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[next];
    if (!row) return;
    activate(row.studyInstanceUid);
    virtual.scrollToIndex(next, { align: 'auto' });
    scroller.current?.focus({ preventScroll: true });
  };
  const pageRows = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / ROW_PX) - 2);

  const group = t('studies.title');
  const key = (name: string, keys: string[], label: string, run: () => void) => ({
    id: `studies.${name}`,
    group,
    label,
    keys,
    run: (event: KeyboardEvent) => {
      event.preventDefault();
      run();
    },
  });
  useHotkeys([
    key('next', ['j', 'ArrowDown'], t('studies.keys.next'), () => moveTo(activeIndex + 1)),
    key('previous', ['k', 'ArrowUp'], t('studies.keys.previous'), () =>
      moveTo(activeIndex < 0 ? 0 : activeIndex - 1),
    ),
    key('pageDown', ['PageDown'], t('studies.keys.pageDown'), () => moveTo(activeIndex + pageRows)),
    key('pageUp', ['PageUp'], t('studies.keys.pageUp'), () => moveTo(activeIndex - pageRows)),
    key('first', ['Home'], t('studies.keys.first'), () => moveTo(0)),
    key('last', ['End'], t('studies.keys.last'), () => moveTo(rows.length - 1)),
    ...(mayView
      ? [
          key('view', ['Enter'], t('studies.keys.view'), () => {
            if (active) open.view(active.studyInstanceUid);
          }),
        ]
      : []),
    key('details', ['o'], t('studies.keys.details'), () => {
      if (active) open.details(active.studyInstanceUid);
    }),
  ]);

  if (props.isLoading) return <Loading />;
  const isActiveDrawn = items.some((item) => item.index === activeIndex);
  return (
    <div
      ref={scroller}
      className={classes.scroller}
      data-stale={props.isStale || undefined}
      role="grid"
      aria-label={t('studies.title')}
      aria-rowcount={props.total + 1}
      aria-activedescendant={isActiveDrawn ? `${id}${activeIndex}` : undefined}
      tabIndex={0}
      style={
        { '--columns': columnsTemplate(), '--columns-medium': columnsTemplate('medium') } as CSSProperties
      }
      onScroll={() => remember({ offsetPx: scroller.current?.scrollTop ?? 0, activeUid })}
    >
      <div role="rowgroup" className={classes.head}>
        <div role="row" aria-rowindex={1} className={classes.row}>
          {table.getFlatHeaders().map((header) => (
            <HeaderCell key={header.id} id={header.column.id} {...props} />
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const row = tableRows[item.index];
          if (!row) return null;
          return (
            <Row
              key={item.key}
              id={`${id}${item.index}`}
              study={row.original}
              index={item.index}
              top={item.start}
              isActive={item.index === activeIndex}
              onActivate={() => activate(row.original.studyInstanceUid)}
              onView={mayView ? () => open.view(row.original.studyInstanceUid) : undefined}
            >
              {row.getAllCells().map((cell) => (
                <div
                  key={cell.id}
                  role="gridcell"
                  className={[classes.cell, layoutOf(cell.column.id).class].filter(Boolean).join(' ')}
                  data-number={layoutOf(cell.column.id).isNumber}
                >
                  <table.FlexRender cell={cell} />
                </div>
              ))}
            </Row>
          );
        })}
      </div>
    </div>
  );
}

function columnsTemplate(room: 'large' | 'medium' = 'large'): string {
  return Object.values(LAYOUT)
    .filter((layout) => room === 'large' || layout.class !== classes.atLarge)
    .map((layout) => layout.width)
    .join(' ');
}

function Loading() {
  const { t } = useTranslation();
  return (
    <div className={classes.loading} role="status" aria-label={t('state.loading')}>
      {Array.from({ length: 14 }, (_, index) => (
        <Skeleton key={index} height={14} width={`${94 - ((index * 17) % 34)}%`} />
      ))}
    </div>
  );
}

function HeaderCell({ id, search, onSearch }: Pick<ListProps, 'search' | 'onSearch'> & { id: string }) {
  const { t } = useTranslation();
  const layout = layoutOf(id);
  const className = [classes.cell, layout.class].filter(Boolean).join(' ');
  const label = isColumn(id) ? t(`studies.columns.${id}`) : id;
  if (!isSortField(id)) {
    return (
      <div role="columnheader" className={className} data-number={layout.isNumber}>
        {id === 'actions' ? <span className="fl-visually-hidden">{label}</span> : label}
      </div>
    );
  }
  const current = search.sort ?? DEFAULT_SORT;
  const { field, descending } = sortFieldOf(current);
  const isSorted = field === id;
  const Arrow = descending ? ArrowDown : ArrowUp;
  return (
    <div
      role="columnheader"
      className={className}
      aria-sort={isSorted ? (descending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        className={classes.sort}
        data-sorted={isSorted || undefined}
        onClick={() => {
          const sort = nextSort(current, id);
          onSearch({ ...search, sort: sort === DEFAULT_SORT ? undefined : sort }, { isTyping: false });
        }}
      >
        {label}
        {isSorted && <Arrow size={13} strokeWidth={2.25} aria-hidden />}
      </button>
    </div>
  );
}

function Row(props: {
  id: string;
  study: StudyRow;
  index: number;
  top: number;
  isActive: boolean;
  onActivate: () => void;
  onView: (() => void) | undefined;
  children: React.ReactNode;
}) {
  const freshness = useFreshness(props.study.studyInstanceUid);
  return (
    <div
      id={props.id}
      role="row"
      aria-rowindex={props.index + 2}
      aria-selected={props.isActive}
      aria-label={nameInOneLine(props.study.patientName) || undefined}
      className={classes.row}
      data-active={props.isActive || undefined}
      data-fresh={freshness !== null || undefined}
      data-study={props.study.studyInstanceUid}
      style={{
        transform: `translateY(${props.top}px)`,
        ...(freshness !== null && { animationDelay: `${-freshness}ms` }),
      }}
      onClick={props.onActivate}
      onDoubleClick={props.onView}
    >
      {props.children}
    </div>
  );
}

function Counts({ series, instances }: { series: number; instances: number }) {
  const { t } = useTranslation();
  return (
    <span
      className="fl-numbers"
      title={`${t('count.series', { count: series })}, ${t('count.instances', { count: instances })}`}
    >
      <span className={classes.series}>{series} /</span> {instances}
    </span>
  );
}

function RowActions({ study }: { study: StudyRow }) {
  const { t } = useTranslation();
  const mayView = useHasRight('view');
  const name = nameInOneLine(study.patientName) || t('patient.unnamed');
  const params = { studyInstanceUid: study.studyInstanceUid };
  return (
    <span className={classes.actions}>
      <Tooltip label={t('studies.keys.details')}>
        <IconLink
          to="/studies/$studyInstanceUid"
          params={params}
          size="md"
          tabIndex={-1}
          aria-label={t('studies.detailsOf', { name })}
        >
          <Info size={16} strokeWidth={1.75} />
        </IconLink>
      </Tooltip>
      {mayView && (
        <Tooltip label={t('studies.keys.view')}>
          <IconLink
            to="/viewer/$studyInstanceUid"
            params={params}
            search={{}}
            size="md"
            tabIndex={-1}
            aria-label={t('studies.viewOf', { name })}
          >
            <Eye size={16} strokeWidth={1.75} />
          </IconLink>
        </Tooltip>
      )}
    </span>
  );
}
