import { Button, Select, Text, TextInput } from '@mantine/core';
import { DatePickerInput } from '@mantine/dates';
import { useDebouncedValue } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { ScrollText } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { auditQuery } from '@/api/operation';
import type { AuditEntry } from '@/api/types';
import { useLocale } from '@/lib/useLocale';
import { DataTable } from '@/ui/DataTable';
import { TextLink } from '@/ui/links';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { EmptyState, ErrorState } from '@/ui/States';
import { StatusDot } from '@/ui/StatusDot';
import { type AuditForm, detailText, EMPTY_FORM, filterOfForm } from './audit';
import classes from './AuditSection.module.css';

const COLOURS: Record<AuditEntry['outcome'], string> = { success: 'teal', refused: 'yellow', failed: 'red' };

/** Who did what, when, with which study. */
export function AuditSection() {
  const { t } = useTranslation();
  const [form, setForm] = useState<AuditForm>(EMPTY_FORM);
  const [settled] = useDebouncedValue(form, 250);
  const audit = useInfiniteQuery(auditQuery(filterOfForm(settled)));
  return (
    <>
      <SectionHeader title={t('audit.title')} text={t('audit.text')} />
      <Filters form={form} onChange={setForm} />
      {audit.isError ? (
        <ErrorState error={audit.error} onRetry={() => void audit.refetch()} />
      ) : (
        <AuditTable
          entries={audit.data?.pages.flatMap((page) => page.items) ?? []}
          isLoading={audit.isPending}
          hasMore={audit.hasNextPage}
          onMore={() => void audit.fetchNextPage()}
        />
      )}
    </>
  );
}

function useActionText(): (action: string) => string {
  const { t, i18n } = useTranslation();
  return (action) =>
    i18n.exists(`audit.actions.${action}`)
      ? t(`audit.actions.${action}` as 'audit.title')
      : action.replaceAll('_', ' ');
}

function Filters({ form, onChange }: { form: AuditForm; onChange: (form: AuditForm) => void }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const actionText = useActionText();
  const set = (change: Partial<AuditForm>) => onChange({ ...form, ...change });
  return (
    <search className={classes.filters}>
      <TextInput
        label={t('audit.actor')}
        value={form.actor}
        onChange={(event) => set({ actor: event.currentTarget.value })}
      />
      <Select
        label={t('audit.action')}
        placeholder={t('audit.anyAction')}
        clearable
        searchable
        data={Object.keys(t('audit.actions', { returnObjects: true }))
          .map((action) => ({ value: action, label: actionText(action) }))
          .sort((one, other) => one.label.localeCompare(other.label, locale))}
        value={form.action}
        onChange={(action) => set({ action })}
      />
      <TextInput
        label={t('audit.study')}
        placeholder="1.2.840…"
        spellCheck={false}
        value={form.studyInstanceUid}
        onChange={(event) => set({ studyInstanceUid: event.currentTarget.value })}
      />
      <DatePickerInput
        type="range"
        allowSingleDateInRange
        hideOutsideDates
        weekendDays={[]}
        clearable
        size="sm"
        label={t('audit.days')}
        placeholder={t('audit.anyDay')}
        valueFormat="D MMM YYYY"
        locale={locale}
        value={form.days}
        onChange={(days) => set({ days })}
      />
      <Button variant="default" className={classes.clear} onClick={() => onChange(EMPTY_FORM)}>
        {t('action.clear')}
      </Button>
    </search>
  );
}

function AuditTable(props: {
  entries: AuditEntry[];
  isLoading: boolean;
  hasMore: boolean;
  onMore: () => void;
}) {
  const { t } = useTranslation();
  const actionText = useActionText();
  return (
    <DataTable
      label={t('audit.title')}
      isLoading={props.isLoading}
      rows={props.entries}
      rowKey={(entry) => entry.id}
      hasMore={props.hasMore}
      onMore={props.onMore}
      empty={<EmptyState icon={<ScrollText size={26} strokeWidth={1.5} />} title={t('audit.none')} />}
      columns={[
        {
          key: 'at',
          header: t('table.at'),
          isTitle: true,
          width: 175,
          cell: (entry) => <Moment at={entry.at} />,
        },
        {
          key: 'actor',
          header: t('audit.actor'),
          cell: (entry) => (
            <>
              {entry.actor}
              <Text span size="xs" c="dimmed">
                {' '}
                {t(`audit.kinds.${entry.actorKind}`)}
              </Text>
            </>
          ),
        },
        {
          key: 'action',
          header: t('audit.action'),
          cell: (entry) => (
            <>
              {actionText(entry.action)}
              {entry.count > 1 && (
                <Text span size="xs" c="dimmed" className="fl-numbers">
                  {' '}
                  ×{entry.count}
                </Text>
              )}
            </>
          ),
        },
        {
          key: 'outcome',
          header: t('audit.outcome'),
          cell: (entry) => (
            <StatusDot colour={COLOURS[entry.outcome]}>{t(`audit.outcomes.${entry.outcome}`)}</StatusDot>
          ),
        },
        {
          key: 'study',
          header: t('table.study'),
          cell: (entry) =>
            entry.studyInstanceUid && (
              <TextLink
                to="/studies/$studyInstanceUid"
                params={{ studyInstanceUid: entry.studyInstanceUid }}
                size="sm"
              >
                {t('action.open')}
              </TextLink>
            ),
        },
        {
          key: 'what',
          header: t('audit.detail'),
          cell: (entry) => whatOf(entry) && <What text={whatOf(entry)} />,
        },
        {
          key: 'from',
          header: t('audit.from'),
          cell: (entry) => [entry.address, entry.door].filter(Boolean).join(' · '),
        },
      ]}
    />
  );
}

function whatOf(entry: AuditEntry): string {
  return [entry.object, detailText(entry.detail)].filter(Boolean).join(': ');
}

function What({ text }: { text: string }) {
  return (
    <Text size="sm" lineClamp={2} title={text} style={{ overflowWrap: 'anywhere' }}>
      {text}
    </Text>
  );
}
