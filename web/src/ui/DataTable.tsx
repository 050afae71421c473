import { Loader, Skeleton, Table } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { type ReactNode, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './DataTable.module.css';

export interface Column<Row> {
  key: string;
  header: string;
  cell: (row: Row) => ReactNode;
  align?: 'right';
  /** Shown on the card's first line on a phone, without its heading. */
  isTitle?: boolean;
  /** Buttons: at the end of the row, on the last line of a card. */
  isActions?: boolean;
  width?: number | string;
}

interface Props<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  /** Shown instead of rows when there are none. */
  empty: ReactNode;
  isLoading?: boolean;
  /** Asked for when the end of the list comes into view. */
  onMore?: () => void;
  hasMore?: boolean;
}

/** A list of a page of administration: a table where there is room, cards on a phone. */
export function DataTable<Row>(props: Props<Row>) {
  const isNarrow = useMediaQuery('(max-width: 48em)');
  if (props.isLoading) return <Loading />;
  if (props.rows.length === 0) return props.empty;
  return (
    <>
      {isNarrow ? <Cards {...props} /> : <Rows {...props} />}
      {props.hasMore && props.onMore && <More key={props.rows.length} onMore={props.onMore} />}
    </>
  );
}

function Loading() {
  return (
    <div aria-hidden>
      {Array.from({ length: 6 }, (_, index) => (
        <Skeleton key={index} height={20} my={14} width={`${90 - ((index * 13) % 30)}%`} />
      ))}
    </div>
  );
}

function Rows<Row>({ label, columns, rows, rowKey }: Props<Row>) {
  return (
    <div className={classes.scroll} tabIndex={0} role="region" aria-label={label}>
      <Table className={classes.table} highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th key={column.key} ta={column.align} w={column.width}>
                {column.isActions ? (
                  <span className="fl-visually-hidden">{column.header}</span>
                ) : (
                  column.header
                )}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={rowKey(row)}>
              {columns.map((column) => (
                <Table.Td
                  key={column.key}
                  ta={column.align}
                  className={column.isActions ? classes.actions : undefined}
                >
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Cards<Row>({ label, columns, rows, rowKey }: Props<Row>) {
  const titles = columns.filter((column) => column.isTitle);
  const facts = columns.filter((column) => !column.isTitle && !column.isActions);
  const actions = columns.filter((column) => column.isActions);
  return (
    <ul className={classes.cards} aria-label={label}>
      {rows.map((row) => (
        <li key={rowKey(row)} className={classes.card}>
          <div className={classes.title}>
            {titles.map((column) => (
              <div key={column.key}>{column.cell(row)}</div>
            ))}
          </div>
          <dl className={classes.facts}>
            {facts.map((column) => {
              const value = column.cell(row);
              if (value === null || value === '' || value === undefined || value === false) return null;
              return (
                <div key={column.key}>
                  <dt>{column.header}</dt>
                  <dd>{value}</dd>
                </div>
              );
            })}
          </dl>
          {actions.map((column) => (
            <div key={column.key} className={classes.cardActions}>
              {column.cell(row)}
            </div>
          ))}
        </li>
      ))}
    </ul>
  );
}

/** The end of what is loaded. It is mounted anew with every page, so that a short page asks for the next at once. */
function More({ onMore }: { onMore: () => void }) {
  const { t } = useTranslation();
  const end = useRef<HTMLDivElement>(null);
  const latest = useRef(onMore);
  useEffect(() => {
    latest.current = onMore;
  });
  useEffect(() => {
    const observer = new IntersectionObserver(
      (seen) => {
        if (seen.some((one) => one.isIntersecting)) latest.current();
      },
      { rootMargin: '400px' },
    );
    if (end.current) observer.observe(end.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={end} className={classes.more}>
      <Loader size="xs" role="status" aria-label={t('state.loading')} />
    </div>
  );
}
