import { Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { FileText, ImageOff } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import type { SeriesRow, Study } from '@/api/types';
import { dicomweb } from '@/lib/paths';
import { Bytes } from '@/ui/Bytes';
import { ModalityBadge } from '@/ui/ModalityBadge';
import classes from './SeriesGrid.module.css';

export function SeriesGrid({ study }: { study: Study }) {
  const { t } = useTranslation();
  return (
    <section aria-labelledby="series-heading">
      <Title order={2} id="series-heading" mb="sm">
        {t('study.series')}
      </Title>
      <ul className={classes.grid}>
        {study.series.map((series) => (
          <li key={series.seriesInstanceUid}>
            <SeriesCard studyInstanceUid={study.studyInstanceUid} series={series} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Series that hold no pictures: their thumbnail is not asked for. */
const WITHOUT_PICTURES = new Set([
  'SR',
  'PR',
  'KO',
  'DOC',
  'RTSTRUCT',
  'RTPLAN',
  'REG',
  'ECG',
  'HD',
  'AU',
  'PLAN',
]);

function SeriesCard({ studyInstanceUid, series }: { studyInstanceUid: string; series: SeriesRow }) {
  const { t } = useTranslation();
  const mayView = useHasRight('view');
  const title = series.seriesDescription || t('study.untitledSeries');
  const body = (
    <>
      <Thumbnail studyInstanceUid={studyInstanceUid} series={series} />
      <span className={classes.text}>
        <span className={classes.title} title={title}>
          {series.seriesNumber !== null && <span className={classes.number}>{series.seriesNumber}</span>}
          {title}
        </span>
        <span className={classes.facts}>
          {series.modality && <ModalityBadge modality={series.modality} />}
          <span className={classes.part}>
            {[series.bodyPartExamined, series.laterality].filter(Boolean).join(' ')}
          </span>
        </span>
        <span className={classes.counts}>
          {t('count.instances', { count: series.numberOfInstances })} · <Bytes value={series.sizeBytes} />
        </span>
      </span>
    </>
  );
  if (!mayView) return <div className={classes.card}>{body}</div>;
  return (
    <Link
      to="/viewer/$studyInstanceUid"
      params={{ studyInstanceUid }}
      search={{ series: series.seriesInstanceUid }}
      className={classes.card}
    >
      {body}
    </Link>
  );
}

function Thumbnail({ studyInstanceUid, series }: { studyInstanceUid: string; series: SeriesRow }) {
  const [hasFailed, setHasFailed] = useState(false);
  if (WITHOUT_PICTURES.has(series.modality) || hasFailed) {
    const Icon = hasFailed ? ImageOff : FileText;
    return (
      <span className={classes.picture} aria-hidden>
        <Icon size={30} strokeWidth={1.25} />
      </span>
    );
  }
  return (
    <span className={classes.picture}>
      <img
        src={dicomweb.thumbnail(studyInstanceUid, series.seriesInstanceUid, 256)}
        alt=""
        loading="lazy"
        decoding="async"
        onError={() => setHasFailed(true)}
      />
    </span>
  );
}
