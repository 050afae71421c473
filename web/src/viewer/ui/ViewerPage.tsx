import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useState } from 'react';
import { loadPreferences } from '@/api/preferences';
import { sessionQuery, useSession } from '@/api/session';
import { useHotkeys } from '@/lib/hotkeys';
import { asFailure, type Failure } from '../data/errors';
import { firstPictureSettled } from '../data/opening';
import { reportOpening } from '../data/reportOpening';
import { useOutput } from '../capture/state';
import { DisplayedStatus } from '../displayed/DisplayedStatus';
import { useLeaving } from '../displayed/useLeaving';
import { useTexts } from '../i18n';
import { EditDialog } from '../hanging/EditDialog';
import { HungBy } from '../hanging/HungBy';
import { ProtocolsDialog } from '../hanging/ProtocolsDialog';
import { RememberDialog } from '../hanging/RememberDialog';
import { useHangingOfStudy } from '../hanging/useHangingOfStudy';
import { PreferencesDialog } from '../prefs/PreferencesDialog';
import { applyViewChoice } from '../prefs/view';
import { PriorsPanel } from '../priors/PriorsPanel';
import { usePriors } from '../priors/hanging';
import { useReadingKeys } from '../priors/useReadingKeys';
import { LazyRendering } from '../rendering/LazyRendering';
import { useRendering } from '../rendering/state';
import { useSegments } from '../segments/draft';
import { useAnnotations } from '../state/annotations';
import { useObjects } from '../state/objects';
import { useViewer } from '../state/store';
import { ACTIONS, stepBack } from '../tools/actions';
import { keepMarks } from '../tools/annotations/keeping';
import { loadMarksAfterFirstImage } from '../tools/annotations/loading';
import { engineIfLoaded, loadEngine } from '../tools/withEngine';
import { listenToLinks } from '../tools/links';
import { listenToSizes } from '../tools/sizes';
import { tell } from '../tools/spatial';
import { BottomBar } from './BottomBar';
import { FailureText } from './FailureText';
import { CalibrationDialog } from './CalibrationDialog';
import { Grid } from './Grid';
import { KeepingBar } from './KeepingBar';
import { MeasurementPanel } from './MeasurementPanel';
import { OpeningTimes } from './OpeningTimes';
import { ObjectsPanel } from './ObjectsPanel';
import { NoticeBar } from './SpaceMenu';
import { Strip } from './Strip';
import { TextPrompt } from './TextPrompt';
import { TagPanel } from './TagPanel';
import { TopBar } from './TopBar';
import { useIsNarrow } from './useIsNarrow';
import classes from './ViewerPage.module.css';

/** True once the renderer can be used; a failure when the browser lacks what it needs. */
function useEngine(): boolean | Failure {
  const [state, setState] = useState<boolean | Failure>(false);
  useEffect(() => {
    let isGone = false;
    (engineIfLoaded() ? Promise.resolve() : firstPictureSettled())
      .then(loadEngine)
      .then(async ({ session }) => {
        session.prepare();
        loadMarksAfterFirstImage();
        const { expose } = await import('../engine/debug');
        expose();
        if (!isGone) setState(true);
      })
      .catch((error: unknown) => {
        if (!isGone) setState(asFailure(error));
      });
    return () => {
      isGone = true;
    };
  }, []);
  return state;
}

/** A session that ended is noticed by asking for it; the app then leads to the sign-in and back. */
function useSessionCheck(): void {
  const queries = useQueryClient();
  const isSignedOut = useViewer(
    ({ study, panes }) =>
      (study.kind === 'failed' && study.failure.kind === 'notSignedIn') ||
      Object.values(panes).some(
        ({ status }) => status.kind === 'failed' && status.failure.kind === 'notSignedIn',
      ),
  );
  useEffect(() => {
    if (isSignedOut) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }, [isSignedOut, queries]);
}

/** Each study begins as the person wants studies to begin. */
function useOwnView(isNarrow: boolean): void {
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  useEffect(() => {
    let stop = (): void => undefined;
    let isGone = false;
    loadPreferences()
      .then(() => {
        if (!isGone && studyInstanceUid !== '') stop = applyViewChoice(isNarrow);
      })
      .catch(() => undefined);
    return () => {
      isGone = true;
      stop();
    };
  }, [studyInstanceUid, isNarrow]);
}

const FilmDialog = lazy(() =>
  import('../capture/FilmDialog').then((dialog) => ({ default: dialog.FilmDialog })),
);

const PrintDialog = lazy(() =>
  import('../print/PrintDialog').then((dialog) => ({ default: dialog.PrintDialog })),
);

const SegmentPanel = lazy(() =>
  import('../segments/SegmentPanel').then((panel) => ({ default: panel.SegmentPanel })),
);

/** The reader's marks on the study are read, and kept as they change. */
function useKeptMarks(): void {
  const opened = useAnnotations((state) => state.opened);
  const studyInstanceUid = useAnnotations((state) => state.studyInstanceUid);
  useEffect(
    () => (studyInstanceUid === '' ? undefined : keepMarks(studyInstanceUid, opened)),
    [studyInstanceUid, opened],
  );
}

interface PageProps {
  onClose: () => void;
  onStudy: (studyInstanceUid: string) => void;
  onReturn: (studyInstanceUid: string) => void;
  onRetry: () => void;
  /** The address names a series, which is to be seen. */
  isSeriesAsked: boolean;
}

export default function ViewerPage({ onRetry, isSeriesAsked, ...ways }: PageProps) {
  const t = useTexts();
  const { onClose, onStudy, question } = useLeaving(ways);
  const isNarrow = useIsNarrow();
  const engine = useEngine();
  const study = useViewer((state) => state.study);
  const hasStrip = useViewer((state) => state.hasStrip);
  const hasTags = useViewer((state) => state.hasTags);
  const hasPriors = usePriors((state) => state.isOpen);
  const hasMeasurements = useViewer((state) => state.hasMeasurements);
  const hasObjects = useObjects((state) => state.hasPanel);
  const isRendered = useRendering(({ sourceId, pane }) => sourceId !== null && pane === null);
  const hasSegments = useSegments((state) => state.hasPanel);
  const output = useOutput((state) => state.dialog);
  const { rights } = useSession().user;
  useSessionCheck();
  useEffect(reportOpening, []);
  useOwnView(isNarrow);
  useKeptMarks();
  useReadingKeys(onStudy);
  useHangingOfStudy(isNarrow, isSeriesAsked);
  useEffect(listenToLinks, []);
  useEffect(() => {
    if (engine !== true) return undefined;
    let stop: (() => void) | null = null;
    let isGone = false;
    const stopSizes = listenToSizes();
    void import('../engine/planes').then(({ listenToPlanes }) => {
      if (!isGone) stop = listenToPlanes();
    });
    return () => {
      isGone = true;
      stop?.();
      stopSizes();
    };
  }, [engine]);

  useHotkeys([
    ...ACTIONS.map(({ name, group, keys, needs, run }) => ({
      id: `viewer.${name}`,
      group: t(`groups.${group}`),
      label: t(`actions.${name}`),
      keys,
      run: (event: KeyboardEvent) => {
        event.preventDefault();
        if (needs === undefined || rights.includes(needs)) run();
        else tell({ text: `rights.${needs}` });
      },
    })),
    {
      id: 'viewer.close',
      group: t('groups.screen'),
      label: t('actions.close'),
      keys: ['Escape'],
      run: () => {
        if (!stepBack()) onClose();
      },
    },
  ]);

  const failure = study.kind === 'failed' ? study.failure : typeof engine === 'object' ? engine : null;
  return (
    <div className={classes.page} data-narrow={isNarrow || undefined}>
      <TopBar onClose={onClose} onStudy={onStudy} isNarrow={isNarrow} />
      <div className={classes.body}>
        {hasStrip && <Strip isNarrow={isNarrow} />}
        <main className={classes.main} aria-label={t('strip.title')}>
          <NoticeBar />
          <KeepingBar />
          {failure ? (
            <FailureText failure={failure} onRetry={failure.kind === 'noGraphics' ? null : onRetry} />
          ) : (
            <Grid isReady={engine === true} isNarrow={isNarrow} />
          )}
          {isRendered && !failure && <LazyRendering />}
        </main>
        {hasPriors && <PriorsPanel />}
        {hasMeasurements && <MeasurementPanel />}
        {hasObjects && <ObjectsPanel />}
        {hasSegments && (
          <Suspense>
            <SegmentPanel />
          </Suspense>
        )}
        {hasTags && <TagPanel />}
      </div>
      <TextPrompt />
      <CalibrationDialog />
      {isNarrow && <BottomBar />}
      <footer className={classes.notice}>
        {t('notice')}
        <DisplayedStatus onReopen={onRetry} />
        <HungBy />
        <OpeningTimes />
      </footer>
      {question}
      <PreferencesDialog />
      <RememberDialog />
      <ProtocolsDialog />
      <EditDialog />
      <Suspense>
        {output === 'film' && <FilmDialog />}
        {output === 'print' && <PrintDialog />}
      </Suspense>
    </div>
  );
}
