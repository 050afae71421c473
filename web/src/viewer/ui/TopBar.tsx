import { ActionIcon, Tooltip } from '@mantine/core';
import { ArrowLeft, History } from 'lucide-react';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { PatientFacts } from '@/ui/PatientFacts';
import { PatientName } from '@/ui/PatientName';
import { useTexts } from '../i18n';
import { togglePriors, usePriors } from '../priors/hanging';
import { hueOf } from '../priors/matching';
import { StudyNavigation } from '../priors/StudyNavigation';
import { useViewer } from '../state/store';
import { Toolbar } from './Toolbar';
import classes from './TopBar.module.css';

/** Whose study this is, and what can be done with it. */
interface TopBarProps {
  onClose: () => void;
  onStudy: (studyInstanceUid: string) => void;
  isNarrow: boolean;
}

export function TopBar({ onClose, onStudy, isNarrow }: TopBarProps) {
  const t = useTexts();
  const patient = useViewer((state) => state.patient);
  const hasPriors = usePriors((state) => state.isOpen);
  const hue = patient && hueOf(patient.patientId, patient.patientBirthDate);
  return (
    <header
      className={classes.bar}
      data-narrow={isNarrow || undefined}
      data-patient-hue={hue ?? undefined}
      style={hue === null ? undefined : { borderTop: `3px solid hsl(${hue} 65% 52%)` }}
    >
      <Tooltip label={t('close')}>
        <ActionIcon size={isNarrow ? 44 : 34} aria-label={t('close')} onClick={onClose}>
          <ArrowLeft size={19} />
        </ActionIcon>
      </Tooltip>
      <Heading />
      {patient && (
        <Tooltip label={t('actions.priors')}>
          <ActionIcon
            size={isNarrow ? 44 : 34}
            aria-label={t('actions.priors')}
            aria-pressed={hasPriors}
            onClick={togglePriors}
          >
            <History size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      )}
      <StudyNavigation onStudy={onStudy} />
      {!isNarrow && <Toolbar />}
    </header>
  );
}

function Heading() {
  const locale = useLocale();
  const patient = useViewer((state) => state.patient);
  if (!patient) return <div className={classes.heading} />;
  const facts = [patient.patientId, formatDicomDate(patient.studyDate, locale), patient.studyDescription];
  return (
    <div className={classes.heading}>
      <h1 className={classes.name}>
        <PatientName name={patient.patientName} />
      </h1>
      <p className={classes.facts}>
        <PatientFacts
          birthDate={patient.patientBirthDate}
          sex={patient.patientSex}
          studyDate={patient.studyDate}
        />
        {facts.filter(Boolean).map((fact) => (
          <bdi key={fact}>{fact}</bdi>
        ))}
      </p>
    </div>
  );
}
