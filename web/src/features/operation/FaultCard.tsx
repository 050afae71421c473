import { Text } from '@mantine/core';
import { CircleAlert, TriangleAlert } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Moment } from '@/ui/Moment';
import classes from './Health.module.css';

/** One fault in words: what is broken and since when, what it means for whom, and what to do. */
export function FaultCard(props: {
  level: 'warning' | 'problem';
  title: string;
  subject?: string;
  what?: string;
  means: string;
  whatToDo: string;
  since: string | null;
}) {
  const { t } = useTranslation();
  const Icon = props.level === 'problem' ? CircleAlert : TriangleAlert;
  return (
    <article className={classes.fault} data-level={props.level}>
      <header>
        <Icon size={18} strokeWidth={1.75} aria-label={t(`health.levels.${props.level}`)} />
        <Text fw={600} component="h3">
          {props.title}
        </Text>
        {props.since && (
          <Text size="xs" c="dimmed" className={classes.since}>
            {t('health.since')} <Moment at={props.since} /> (<Moment at={props.since} relative />)
          </Text>
        )}
      </header>
      {props.what && <p className={classes.what}>{props.what}</p>}
      <dl>
        {props.means && (
          <div>
            <dt>{t('health.means')}</dt>
            <dd>{props.means}</dd>
          </div>
        )}
        <div>
          <dt>{t('health.whatToDo')}</dt>
          <dd>{props.whatToDo}</dd>
        </div>
      </dl>
    </article>
  );
}
