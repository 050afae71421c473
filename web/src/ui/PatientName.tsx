import { formatName, type NameGroups } from '@/lib/names';
import { useTranslation } from 'react-i18next';
import classes from './PatientName.module.css';

/** A name in all its scripts on one line; what does not fit is cut at the end, and told in full on hover. */
export function PatientName({ name }: { name: NameGroups }) {
  const { t } = useTranslation();
  const { main, others } = formatName(name);
  return (
    <span className={classes.name} title={[main, ...others].join('  ')}>
      {main ? (
        <bdi className={classes.main}>{main}</bdi>
      ) : (
        <span className={classes.none}>{t('patient.unnamed')}</span>
      )}
      {others.map((other) => (
        <span key={other} className={classes.other}>
          <bdi>{other}</bdi>
        </span>
      ))}
    </span>
  );
}
