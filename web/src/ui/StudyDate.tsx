import { useTranslation } from 'react-i18next';
import { describeStudyDay, formatDicomDate, formatDicomTime } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { useToday } from '@/lib/useToday';
import classes from './StudyDate.module.css';

/** When a study was made: `Today 14:05`, `24 Nov 2025 09:12`. */
export function StudyDate({ date, time }: { date: string; time: string }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const day = describeStudyDay(date, locale, useToday());
  const clock = formatDicomTime(time);
  if (day.kind === 'none' && !clock) return <span className={classes.none}>{t('study.undated')}</span>;
  return (
    <span className="fl-numbers" title={[formatDicomDate(date, locale), clock].filter(Boolean).join(' ')}>
      {day.kind === 'today' && <strong className={classes.today}>{t('study.today')}</strong>}
      {day.kind === 'yesterday' && t('study.yesterday')}
      {day.kind === 'date' && day.text}
      {clock && <span className={classes.time}> {clock}</span>}
    </span>
  );
}
