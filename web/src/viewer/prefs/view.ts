/** How a study looks when it is opened, and what is written on it, as a person chose it. */
import { setPreference, usePreferences } from '@/api/preferences';
import { type Layout, LAYOUTS, setLayout, useViewer } from '../state/store';
import { useHanging } from '../hanging/state';
import { mouse } from './mouse';

/** What can be left out of the writing over an image; its marks of loss and of inversion cannot. */
export const OVERLAY_PARTS = ['patient', 'study', 'series', 'view', 'scale', 'letters'] as const;
export type OverlayPart = (typeof OVERLAY_PARTS)[number];

/** What happens when a study is left of which not all images were displayed. */
export const LEAVINGS = ['tell', 'ask', 'nothing'] as const;
export type Leaving = (typeof LEAVINGS)[number];

export interface ViewChoice {
  layout: Layout;
  hasOverlay: boolean;
  hasStrip: boolean;
  hidden: readonly OverlayPart[];
  leaving: Leaving;
}

export const DEFAULT_VIEW: ViewChoice = {
  layout: '1x1',
  hasOverlay: true,
  hasStrip: true,
  hidden: [],
  leaving: 'tell',
};

export function readView(kept: unknown): ViewChoice {
  const given = (typeof kept === 'object' && kept !== null ? kept : {}) as Record<string, unknown>;
  const hidden = Array.isArray(given.hidden) ? (given.hidden as unknown[]) : [];
  return {
    layout: LAYOUTS.find((layout) => layout === given.layout) ?? DEFAULT_VIEW.layout,
    hasOverlay: given.hasOverlay !== false,
    hasStrip: given.hasStrip !== false,
    hidden: OVERLAY_PARTS.filter((part) => hidden.includes(part)),
    leaving: LEAVINGS.find((each) => each === given.leaving) ?? DEFAULT_VIEW.leaving,
  };
}

export const viewChoice = (): ViewChoice => readView(usePreferences.getState().values.view);

export function useViewChoice(): ViewChoice {
  return readView(usePreferences(({ values }) => values.view));
}

export function chooseView(change: Partial<ViewChoice>): void {
  setPreference('view', { ...viewChoice(), ...change });
}

/** Puts a study that was just opened into the form that the person begins with; on a phone there is no room for it. */
export function applyViewChoice(isNarrow: boolean): () => void {
  if (isNarrow) return () => undefined;
  const { layout, hasOverlay, hasStrip } = viewChoice();
  useViewer.setState({ hasOverlay, hasStrip, tool: mouse().left });
  const { studyInstanceUid, layout: before } = useViewer.getState();
  if (before !== '1x1' || layout === '1x1') return () => undefined;
  setLayout(layout);
  // Viewports fill as series arrive, until the reader arranges for themselves.
  const stop = useViewer.subscribe((now, was) => {
    const isHung = useHanging.getState().current !== null;
    if (now.studyInstanceUid !== studyInstanceUid || now.layout !== layout || now.maximised || isHung) stop();
    else if (now.displaySets !== was.displaySets) setLayout(layout);
  });
  return stop;
}
