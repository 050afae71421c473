import { Loader } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { StudyRow } from '@/api/types';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { useTexts } from '../i18n';
import { tryOn } from './hang';
import classes from './Hanging.module.css';
import { isMatch } from './matching';
import type { Rule } from './protocol';
import { reasonInWords } from './words';

/** What a rule would do with recent studies: which series goes where, and what stays empty. */
export function Trials({ studies, rule }: { studies: readonly StudyRow[]; rule: Rule }) {
  const t = useTexts();
  return (
    <section aria-label={t('hanging.trial')}>
      <h3 className={classes.heading}>{t('hanging.trial')}</h3>
      {studies.length === 0 && <p>{t('hanging.trialNone')}</p>}
      <ul className={classes.trials}>
        {studies.map((study) => (
          <Trial key={study.studyInstanceUid} study={study} rule={rule} />
        ))}
      </ul>
    </section>
  );
}

function Trial({ study, rule }: { study: StudyRow; rule: Rule }) {
  const t = useTexts();
  const locale = useLocale();
  const queries = useQueryClient();
  const { name: _, ...what } = rule;
  const tried = useQuery({
    queryKey: ['hanging', 'trial', study.studyInstanceUid, what],
    queryFn: () => tryOn(queries, study.studyInstanceUid, rule),
    gcTime: 0,
  });
  const { data } = tried;
  return (
    <li data-trial={study.studyInstanceUid} data-hangs={data ? isMatch(data) : undefined}>
      <strong>{formatDicomDate(study.studyDate, locale)}</strong> <bdi>{study.studyDescription}</bdi>
      {tried.isPending && <Loader size={12} color="gray" />}
      {tried.isError && <p role="alert">{tried.error.message}</p>}
      {data && !isMatch(data) && (
        <p className={classes.missing}>
          {t('hanging.wouldNot', { why: data.missing.map((reason) => reasonInWords(t, reason)).join(' · ') })}
        </p>
      )}
      {data && (
        <ol className={classes.viewports}>
          {data.pictures.map((picture, at) => (
            <li key={at} data-series={picture?.seriesInstanceUid ?? ''}>
              {picture
                ? [t('strip.series', { number: picture.seriesNumber ?? '?' }), picture.description]
                    .filter(Boolean)
                    .join(': ')
                : t(rule.viewports[at]?.selector ? 'hanging.empty' : 'hanging.nothing')}
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}
