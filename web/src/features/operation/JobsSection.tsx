import { Button, Group, Progress, SegmentedControl, Select, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { ListChecks, Pause, Play } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { cancelJob, JOB_STATES, jobsQuery, retryJob, setQueuePaused } from '@/api/operation';
import type { Job, JobState } from '@/api/types';
import { DataTable } from '@/ui/DataTable';
import { FormError } from '@/ui/forms';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { EmptyState, ErrorState } from '@/ui/States';
import { StatusDot } from '@/ui/StatusDot';

const COLOURS: Record<JobState, string> = {
  waiting: 'grey',
  running: 'teal',
  parked: 'red',
  done: 'grey',
  cancelled: 'grey',
};

const isJobState = (text: string): text is JobState => JOB_STATES.some((state) => state === text);

/** Work in the background: what waits, what runs, what was given up and needs a person. */
export function JobsSection() {
  const { t } = useTranslation();
  const [state, setState] = useState<JobState | undefined>();
  const jobs = useInfiniteQuery(jobsQuery(state));
  const [latest] = jobs.data?.pages ?? [];
  const rows = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  const queues = [...new Set([...(latest?.pausedQueues ?? []), ...rows.map((job) => job.queue)])].sort();

  return (
    <>
      <SectionHeader
        title={t('jobs.title')}
        text={t('jobs.text')}
        actions={<Queues queues={queues} paused={latest?.pausedQueues ?? []} />}
      />
      <StateFilter
        state={state}
        countOf={(one) => latest?.counts[one] ?? 0}
        onChange={(text) => setState(isJobState(text) ? text : undefined)}
      />
      {jobs.isError ? (
        <ErrorState error={jobs.error} onRetry={() => void jobs.refetch()} />
      ) : (
        <JobTable
          jobs={rows}
          isLoading={jobs.isPending}
          hasMore={jobs.hasNextPage}
          onMore={() => void jobs.fetchNextPage()}
        />
      )}
    </>
  );
}

function StateFilter(props: {
  state: JobState | undefined;
  countOf: (state: JobState) => number;
  onChange: (text: string) => void;
}) {
  const { t } = useTranslation();
  const isNarrow = useMediaQuery('(max-width: 48em)');
  const total = JOB_STATES.reduce((sum, state) => sum + props.countOf(state), 0);
  const options = [
    { value: 'all', label: `${t('jobs.all')}  ${total}` },
    ...JOB_STATES.map((state) => ({
      value: state,
      label: `${t(`jobs.states.${state}`)}  ${props.countOf(state)}`,
    })),
  ];
  if (isNarrow) {
    return (
      <Select
        mb="md"
        label={t('jobs.state')}
        allowDeselect={false}
        data={options}
        value={props.state ?? 'all'}
        onChange={(value) => props.onChange(value ?? 'all')}
      />
    );
  }
  return (
    <SegmentedControl
      mb="md"
      size="xs"
      aria-label={t('jobs.state')}
      data={options}
      value={props.state ?? 'all'}
      onChange={props.onChange}
    />
  );
}

function Queues({ queues, paused }: { queues: readonly string[]; paused: readonly string[] }) {
  const { t } = useTranslation();
  const cache = useQueryClient();
  const switching = useMutation({
    mutationFn: ({ queue, isPaused }: { queue: string; isPaused: boolean }) =>
      setQueuePaused(queue, isPaused),
    onSettled: () => cache.invalidateQueries({ queryKey: ['jobs'] }),
  });
  return (
    <>
      <FormError error={switching.error} />
      {queues.map((queue) => {
        const isPaused = paused.includes(queue);
        return (
          <Button
            key={queue}
            variant={isPaused ? 'light' : 'default'}
            color={isPaused ? 'yellow' : undefined}
            leftSection={isPaused ? <Play size={14} /> : <Pause size={14} />}
            onClick={() => switching.mutate({ queue, isPaused: !isPaused })}
          >
            {isPaused ? t('jobs.resumeQueue', { queue }) : t('jobs.pauseQueue', { queue })}
          </Button>
        );
      })}
    </>
  );
}

function JobTable(props: { jobs: Job[]; isLoading: boolean; hasMore: boolean; onMore: () => void }) {
  const { t, i18n } = useTranslation();
  const nameOf = (name: string) =>
    i18n.exists(`jobs.names.${name}`) ? t(`jobs.names.${name}` as 'jobs.title') : name;
  return (
    <DataTable
      label={t('jobs.title')}
      isLoading={props.isLoading}
      rows={props.jobs}
      rowKey={(job) => job.id}
      hasMore={props.hasMore}
      onMore={props.onMore}
      empty={<EmptyState icon={<ListChecks size={26} strokeWidth={1.5} />} title={t('jobs.none')} />}
      columns={[
        {
          key: 'name',
          header: t('jobs.job'),
          isTitle: true,
          cell: (job) => (
            <span>
              {nameOf(job.name)}
              {job.destination && (
                <Text span size="sm" c="dimmed">
                  {' → '}
                  {job.destination}
                </Text>
              )}
            </span>
          ),
        },
        {
          key: 'state',
          header: t('jobs.state'),
          cell: (job) => <StatusDot colour={COLOURS[job.state]}>{t(`jobs.states.${job.state}`)}</StatusDot>,
        },
        {
          key: 'progress',
          header: t('jobs.progress'),
          width: 120,
          cell: (job) =>
            job.state === 'running' && job.progress !== null && <JobProgress progress={job.progress} />,
        },
        {
          key: 'attempts',
          header: t('jobs.attempts'),
          align: 'right',
          cell: (job) => <span className="fl-numbers">{job.attempts}</span>,
        },
        { key: 'created', header: t('jobs.created'), cell: (job) => <Moment at={job.createdAt} relative /> },
        {
          key: 'error',
          header: t('jobs.error'),
          cell: (job) =>
            job.error && (
              <Text size="sm" c="red.4" style={{ overflowWrap: 'anywhere' }} lineClamp={3} title={job.error}>
                {job.error}
              </Text>
            ),
        },
        {
          key: 'actions',
          header: t('table.actions'),
          isActions: true,
          cell: (job) => <JobActions job={job} />,
        },
      ]}
    />
  );
}

function JobProgress({ progress }: { progress: number }) {
  const { t } = useTranslation();
  const percent = Math.round(progress * 100);
  return (
    <Group gap={8} wrap="nowrap">
      <Progress value={percent} flex={1} aria-label={t('jobs.progress')} />
      <Text span size="xs" className="fl-numbers">
        {percent}%
      </Text>
    </Group>
  );
}

function JobActions({ job }: { job: Job }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const acting = useMutation({
    mutationFn: (action: 'retry' | 'cancel') => (action === 'retry' ? retryJob(job.id) : cancelJob(job.id)),
    onSettled: () => queries.invalidateQueries({ queryKey: ['jobs'] }),
  });
  const canRetry = job.state === 'parked' || job.state === 'cancelled';
  const canCancel = job.state === 'waiting' || job.state === 'running' || job.state === 'parked';
  if (!canRetry && !canCancel) return null;
  return (
    <Group gap={6} wrap="nowrap" justify="flex-end">
      {canRetry && (
        <Button size="compact-sm" loading={acting.isPending} onClick={() => acting.mutate('retry')}>
          {t('jobs.retry')}
        </Button>
      )}
      {canCancel && (
        <Button
          size="compact-sm"
          variant="default"
          loading={acting.isPending}
          onClick={() => acting.mutate('cancel')}
        >
          {t('jobs.cancel')}
        </Button>
      )}
    </Group>
  );
}
