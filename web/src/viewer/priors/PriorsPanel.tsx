import { ActionIcon, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { X } from 'lucide-react';
import { type Prior, priorsQuery } from '@/api/priors';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { ModalityBadge } from '@/ui/ModalityBadge';
import { type TextKey, type Texts, useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { hangPrior, togglePriors, usePriors } from './hanging';
import classes from './Priors.module.css';

/** The reason in words: `Same region: knee`. */
export function reasonText(t: Texts, { kind, about }: Prior['reasons'][number]): string {
  const regions = about
    .split(', ')
    .map((region) => t(`priors.region.${region.replace(' ', '')}` as TextKey))
    .join(', ');
  if (kind === 'anatomy' || kind === 'near_anatomy') return t(`priors.reason.${kind}`, { about: regions });
  if (kind === 'side' || kind === 'other_side') {
    const side = about === 'L' || about === 'R' ? t(`priors.${about}`) : t('priors.both');
    return t(`priors.reason.${kind}`, { about: side });
  }
  return t(`priors.reason.${kind}`, { about });
}

/** Other studies of the patient: those that are offered first, each with the reasons, then the rest. */
export function PriorsPanel() {
  const t = useTexts();
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  const priors = useQuery(priorsQuery(studyInstanceUid));
  const relevant = priors.data?.filter((prior) => prior.isRelevant) ?? [];
  const others = priors.data?.filter((prior) => !prior.isRelevant) ?? [];
  return (
    <aside className={classes.panel} aria-label={t('priors.title')}>
      <header className={classes.header}>
        <h2>{t('priors.title')}</h2>
        <ActionIcon aria-label={t('priors.close')} onClick={togglePriors}>
          <X size={16} />
        </ActionIcon>
      </header>
      {priors.isPending && (
        <Loader size="sm" color="gray" m="md" role="status" aria-label={t('priors.title')} />
      )}
      {priors.isError && <p role="alert">{priors.error.message}</p>}
      {priors.data?.length === 0 && <p>{t('priors.none')}</p>}
      {relevant.length > 0 && <List title={t('priors.relevant')} priors={relevant} />}
      {others.length > 0 && <List title={t('priors.others')} priors={others} />}
    </aside>
  );
}

function List({ title, priors }: { title: string; priors: Prior[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <ul className={classes.list}>
        {priors.map((prior) => (
          <Entry key={prior.study.studyInstanceUid} prior={prior} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ prior: { study, reasons, isLater } }: { prior: Prior }) {
  const t = useTexts();
  const locale = useLocale();
  const hanging = usePriors((state) => state.hanging);
  const isThis = hanging.kind !== 'none' && hanging.studyInstanceUid === study.studyInstanceUid;
  const refused = isThis && hanging.kind === 'refused' ? hanging.reason : null;
  return (
    <li>
      <button
        type="button"
        className={classes.prior}
        data-prior={study.studyInstanceUid}
        aria-pressed={isThis && hanging.kind === 'hung'}
        onClick={() => void hangPrior(study.studyInstanceUid)}
      >
        <span className={classes.head}>
          <strong>{formatDicomDate(study.studyDate, locale)}</strong>
          {study.modalities.map((modality) => (
            <ModalityBadge key={modality} modality={modality} />
          ))}
          {isLater && <span className={classes.later}>{t('priors.later')}</span>}
          {isThis && hanging.kind === 'loading' && <Loader size={12} color="gray" />}
        </span>
        <bdi>{study.studyDescription || t('strip.noDescription')}</bdi>
        {reasons.length > 0 && (
          <span className={classes.reasons}>
            {reasons.map((reason) => reasonText(t, reason)).join(' · ')}
          </span>
        )}
      </button>
      {refused && (
        <p role="alert" className={classes.refused}>
          {typeof refused === 'string' ? t(`priors.refused.${refused}`) : t(`failure.${refused.kind}`)}
        </p>
      )}
    </li>
  );
}
