/** Hanging a prior beside the current study: its series that answers what is shown, and no other, is fetched. */
import { create } from 'zustand';
import { findSeries } from '../data/dicomweb';
import { asFailure, type Failure } from '../data/errors';
import { openDisplaySet, type PaneId, panesOf, setLayout, stackOf, useViewer } from '../state/store';
import { addPriorSets, loadPriorSeries } from './loading';
import { answering } from './matching';

/** Series of a prior that are tried before it is said that none can be shown. */
const TRIED_MAX = 4;

/** Priors that are tried, the best first, before the reader is asked to choose. */
const PRIORS_TRIED_MAX = 4;

export type Hanging =
  | { kind: 'none' }
  | { kind: 'loading'; studyInstanceUid: string }
  | { kind: 'hung'; studyInstanceUid: string }
  | { kind: 'refused'; studyInstanceUid: string; reason: 'otherPatient' | 'noImages' | Failure };

interface PriorsState {
  isOpen: boolean;
  hanging: Hanging;
}

export const usePriors = create<PriorsState>(() => ({ isOpen: false, hanging: { kind: 'none' } }));

export const togglePriors = (): void => usePriors.setState(({ isOpen }) => ({ isOpen: !isOpen }));

export const forgetPriors = (): void => usePriors.setState({ isOpen: false, hanging: { kind: 'none' } });

/**
 * Hangs the first of several priors that can be hung. What is refused (another patient, nothing to show, not to be
 * read) is passed over; when the reader has gone on meanwhile, no other is begun.
 */
export async function hangFirst(
  studyInstanceUids: readonly string[],
  hang: (studyInstanceUid: string) => Promise<void> = hangPrior,
): Promise<void> {
  for (const studyInstanceUid of studyInstanceUids.slice(0, PRIORS_TRIED_MAX)) {
    await hang(studyInstanceUid);
    const { hanging } = usePriors.getState();
    if (hanging.kind !== 'refused' || hanging.studyInstanceUid !== studyInstanceUid) return;
  }
}

/** The viewport beside the active one; with only one, a second is made. */
function paneBeside(): { current: PaneId; beside: PaneId } {
  const { layout, active } = useViewer.getState();
  if (panesOf(layout).length === 1) setLayout('1x2');
  const panes = panesOf(useViewer.getState().layout);
  const at = Math.max(0, panes.indexOf(active));
  return { current: panes[at] ?? 'pane1', beside: panes[(at + 1) % panes.length] ?? 'pane2' };
}

export async function hangPrior(studyInstanceUid: string): Promise<void> {
  const { studyInstanceUid: current, patient } = useViewer.getState();
  if (!patient || studyInstanceUid === current) return;
  const set = (hanging: Hanging): void => usePriors.setState({ hanging });
  const isStale = (): boolean => {
    const { hanging } = usePriors.getState();
    return (
      useViewer.getState().studyInstanceUid !== current ||
      hanging.kind !== 'loading' ||
      hanging.studyInstanceUid !== studyInstanceUid
    );
  };
  set({ kind: 'loading', studyInstanceUid });
  try {
    const shown = stackOf(useViewer.getState(), useViewer.getState().active);
    const wanted = shown && {
      modality: shown.modality,
      description: shown.description,
      count: shown.frames.length,
    };
    const series = answering(wanted, await findSeries(studyInstanceUid)).slice(0, TRIED_MAX);
    for (const { seriesInstanceUid } of series) {
      const sets = await loadPriorSeries(studyInstanceUid, seriesInstanceUid);
      if (isStale()) return;
      if (sets === null) {
        set({ kind: 'refused', studyInstanceUid, reason: 'otherPatient' });
        return;
      }
      const stack = sets.find((each) => each.kind === 'stack');
      if (!stack) continue;
      addPriorSets([stack]);
      const panes = paneBeside();
      openDisplaySet(panes.beside, stack.id);
      useViewer.setState({ active: panes.current, maximised: null });
      set({ kind: 'hung', studyInstanceUid });
      return;
    }
    if (!isStale()) set({ kind: 'refused', studyInstanceUid, reason: 'noImages' });
  } catch (error) {
    if (!isStale()) set({ kind: 'refused', studyInstanceUid, reason: asFailure(error) });
  }
}
