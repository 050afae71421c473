import { Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { healthQuery } from '@/api/operation';
import type { Health, HealthFinding } from '@/api/types';
import { Moment } from '@/ui/Moment';
import { SectionHeader } from '@/ui/Page';
import { ErrorState } from '@/ui/States';
import { StatusDot } from '@/ui/StatusDot';
import { FaultCard } from './FaultCard';
import { useFindingText } from './findings';
import classes from './Health.module.css';
import { Outage } from './Outage';

/** What is broken, since when, what it means for whom and what to do; then what was looked at and is well. */
export function HealthSection() {
  const { t } = useTranslation();
  const health = useQuery(healthQuery);
  return (
    <>
      <SectionHeader title={t('health.title')} text={t('health.text')} />
      {health.isError ? (
        <>
          <Outage />
          <ErrorState error={health.error} onRetry={() => void health.refetch()} />
        </>
      ) : (
        health.data && <Findings health={health.data} />
      )}
    </>
  );
}

const ICONS = { ok: CircleCheck, warning: TriangleAlert, problem: CircleAlert };

function Findings({ health }: { health: Health }) {
  const { t } = useTranslation();
  const textOf = useFindingText();
  const faults = health.findings.filter((finding) => finding.level !== 'ok');
  const problems = faults.filter((finding) => finding.level === 'problem').length;
  const Icon = ICONS[health.level];
  return (
    <>
      <section className={classes.summary} data-level={health.level} role="status">
        <Icon size={22} strokeWidth={1.75} aria-hidden />
        <div>
          <Text fw={600}>
            {health.level === 'ok'
              ? t('health.well')
              : problems > 0
                ? t('health.problems', { count: problems })
                : t('health.warnings', { count: faults.length })}
          </Text>
          <Text size="sm" c="dimmed">
            {health.isReady ? t('health.ready') : t('health.notReady')} {t('health.lookedAt')}{' '}
            <Moment at={health.lookedAt} />
          </Text>
        </div>
      </section>
      {faults.map((finding) => (
        <FaultCard
          key={`${finding.code} ${finding.subject} ${finding.what}`}
          level={finding.level === 'problem' ? 'problem' : 'warning'}
          {...textOf(finding)}
          since={finding.since}
        />
      ))}
      <Well findings={health.findings.filter((finding) => finding.level === 'ok')} />
    </>
  );
}

function Well({ findings }: { findings: HealthFinding[] }) {
  const { t } = useTranslation();
  const textOf = useFindingText();
  if (findings.length === 0) return null;
  return (
    <section className={classes.well}>
      <Title order={3} mb={6}>
        {t('health.isWell')}
      </Title>
      <dl>
        {findings.map((finding) => (
          <div key={`${finding.subject} ${finding.what}`}>
            <dt>
              <StatusDot colour="teal">{textOf(finding).subject}</StatusDot>
            </dt>
            <dd>{textOf(finding).what}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
