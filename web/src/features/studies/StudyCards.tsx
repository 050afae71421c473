import { Skeleton } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Eye } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useHasRight } from '@/api/session';
import type { StudyRow } from '@/api/types';
import { nameInOneLine } from '@/lib/names';
import { IconLink } from '@/ui/links';
import { ModalityBadges } from '@/ui/ModalityBadge';
import { PatientFacts } from '@/ui/PatientFacts';
import { PatientName } from '@/ui/PatientName';
import { StudyDate } from '@/ui/StudyDate';
import { AHEAD, type ListProps, usePlace } from './list';
import classes from './StudyCards.module.css';
import { useFreshness } from './useFreshness';

const CARD_PX = 104;

/** The list on a phone. */
export function StudyCards({ search, rows, total, isLoading, isStale, hasMore, onMore }: ListProps) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const { initial, remember } = usePlace(search);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => CARD_PX,
    getItemKey: (index) => rows[index]?.studyInstanceUid ?? index,
    initialOffset: initial.offsetPx,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && lastIndex >= rows.length - AHEAD) onMore();
  }, [hasMore, lastIndex, rows.length, onMore]);

  if (isLoading) {
    return (
      <div className={classes.loading} role="status" aria-label={t('state.loading')}>
        {Array.from({ length: 7 }, (_, index) => (
          <Skeleton key={index} height={CARD_PX - 12} />
        ))}
      </div>
    );
  }
  return (
    <div
      ref={scroller}
      className={classes.scroller}
      data-stale={isStale || undefined}
      tabIndex={0}
      role="region"
      aria-label={t('studies.title')}
      onScroll={(event) => remember({ offsetPx: event.currentTarget.scrollTop, activeUid: null })}
    >
      <div role="list" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const row = rows[item.index];
          return (
            row && <Card key={item.key} study={row} top={item.start} position={item.index + 1} of={total} />
          );
        })}
      </div>
    </div>
  );
}

function Card({ study, top, position, of }: { study: StudyRow; top: number; position: number; of: number }) {
  const { t } = useTranslation();
  const mayView = useHasRight('view');
  const freshness = useFreshness(study.studyInstanceUid);
  const name = nameInOneLine(study.patientName) || t('patient.unnamed');
  const params = { studyInstanceUid: study.studyInstanceUid };
  return (
    <div
      role="listitem"
      aria-posinset={position}
      aria-setsize={of}
      className={classes.place}
      style={{ transform: `translateY(${top}px)`, height: CARD_PX }}
    >
      <div
        className={classes.card}
        data-fresh={freshness !== null || undefined}
        data-study={study.studyInstanceUid}
        style={freshness !== null ? { animationDelay: `${-freshness}ms` } : undefined}
      >
        <Link to="/studies/$studyInstanceUid" params={params} className={classes.link}>
          <PatientName name={study.patientName} />
          <span className={classes.line}>
            <PatientFacts
              birthDate={study.patientBirthDate}
              sex={study.patientSex}
              studyDate={study.studyDate}
            />
            <span className={classes.id}>{study.patientId}</span>
          </span>
          <span className={classes.line}>
            <ModalityBadges modalities={study.modalities.slice(0, 3)} />
            <span className={classes.description}>{study.studyDescription}</span>
          </span>
          <span className={classes.line}>
            <StudyDate date={study.studyDate} time={study.studyTime} />
            <span className={classes.counts}>{t('count.instances', { count: study.numberOfInstances })}</span>
          </span>
        </Link>
        {mayView && (
          <IconLink
            to="/viewer/$studyInstanceUid"
            params={params}
            search={{}}
            size={44}
            className={classes.view}
            aria-label={t('studies.viewOf', { name })}
          >
            <Eye size={20} strokeWidth={1.6} />
          </IconLink>
        )}
      </div>
    </div>
  );
}
