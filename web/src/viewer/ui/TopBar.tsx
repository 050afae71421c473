import { ActionIcon, Tooltip } from '@mantine/core';
import { ArrowLeft } from 'lucide-react';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { PatientFacts } from '@/ui/PatientFacts';
import { PatientName } from '@/ui/PatientName';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { Toolbar } from './Toolbar';
import classes from './TopBar.module.css';

/** Whose study this is, and what can be done with it. */
export function TopBar({ onClose, isNarrow }: { onClose: () => void; isNarrow: boolean }) {
  const t = useTexts();
  return (
    <header className={classes.bar} data-narrow={isNarrow || undefined}>
      <Tooltip label={t('close')}>
        <ActionIcon size={isNarrow ? 44 : 34} aria-label={t('close')} onClick={onClose}>
          <ArrowLeft size={19} />
        </ActionIcon>
      </Tooltip>
      <Heading />
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
