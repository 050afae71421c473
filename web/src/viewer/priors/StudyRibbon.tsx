import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { readPatientAndStudy } from '../data/frames';
import { useTexts } from '../i18n';
import { displaySetOf, type PaneId, useViewer, visiblePanes } from '../state/store';
import classes from './Priors.module.css';

/** While two studies are on the screen, each viewport says which one it shows. */
export function StudyRibbon({ id }: { id: PaneId }) {
  const t = useTexts();
  const locale = useLocale();
  const displaySet = useViewer((state) => displaySetOf(state, id));
  const isCurrent = useViewer((state) => displaySet?.studyInstanceUid === state.studyInstanceUid);
  const areTwo = useViewer((state) =>
    visiblePanes(state).some((pane) => {
      const shown = displaySetOf(state, pane);
      return shown !== null && shown.studyInstanceUid !== state.studyInstanceUid;
    }),
  );
  if (!displaySet || !areTwo) return null;
  const { studyDate, studyDescription } = readPatientAndStudy(displaySet.representative.dataset);
  return (
    <div className={classes.ribbon} data-role="ribbon" data-study={isCurrent ? 'current' : 'prior'}>
      <span className={classes.label}>
        <strong>{isCurrent ? t('priors.current') : t('priors.prior')}</strong>
        <span>{formatDicomDate(studyDate, locale)}</span>
        <bdi>{studyDescription}</bdi>
      </span>
    </div>
  );
}
