import { useTranslation } from 'react-i18next';
import { ageAt, type CalendarDate, formatDicomDate, parseDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';

/** The sexes of PS3.3 C.7.1.1 that have a letter of their own in every language we speak. */
type Sex = 'F' | 'M' | 'O';
const isSex = (text: string): text is Sex => ['F', 'M', 'O'].includes(text);

export function useAgeText(): (birthDate: string, onDate: CalendarDate | null) => string {
  const { t } = useTranslation();
  return (birthDate, onDate) => {
    const age = ageAt(birthDate, onDate);
    if (!age) return '';
    if (age.unit === 'years') return t('patient.years', { count: age.count });
    return age.unit === 'months'
      ? t('patient.months', { count: age.count })
      : t('patient.days', { count: age.count });
  };
}

export function useSexText(): (sex: string) => string {
  const { t } = useTranslation();
  return (sex) => (isSex(sex) ? t(`patient.sex.${sex}`) : sex);
}

/** Sex, age at the study and birth date in one quiet line: `F · 54 y · 12 Mar 1970`. */
export function PatientFacts(props: { birthDate: string; sex: string; studyDate: string }) {
  const locale = useLocale();
  const age = useAgeText();
  const sex = useSexText();
  const facts = [
    sex(props.sex),
    age(props.birthDate, parseDicomDate(props.studyDate)),
    formatDicomDate(props.birthDate, locale),
  ];
  return <span className="fl-numbers">{facts.filter(Boolean).join(' · ')}</span>;
}
