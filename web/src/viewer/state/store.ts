/** What the viewer shows, as one plain state; the renderer follows it and never leads. */
import { create } from 'zustand';
import type { SeriesSummary } from '../data/dicomweb';
import type { DisplaySet, StackDisplaySet } from '../data/displaySets';
import type { Failure } from '../data/errors';
import type { PatientAndStudy } from '../data/frames';
import { hungOrientation } from '../data/mammography';
import { FITTED, type Orientation, type Presentation } from '../data/orientation';
import type { ChosenMask } from '../data/subtraction';
import type { Voi, WindowVoi } from '../lut/voi';
import { MARK_KINDS, type MarkKind } from '../tools/annotations/model';
import { type Layout, LAYOUTS, type PaneId, PANES, panesOf } from './layout';

export { type Layout, LAYOUTS, type PaneId, PANES, panesOf };

export const NAVIGATION = ['window', 'scroll', 'pan', 'zoom', 'region', 'magnify', 'crosshair'] as const;
export type Navigation = (typeof NAVIGATION)[number];
/** What draws segments. */
export const PAINT_TOOLS = ['brush', 'eraser', 'fill'] as const;
export type PaintTool = (typeof PAINT_TOOLS)[number];
/** What the left button or one finger does. */
export type Tool = Navigation | MarkKind | PaintTool;

export const isMarking = (tool: Tool): tool is MarkKind => (MARK_KINDS as readonly string[]).includes(tool);

export const isPainting = (tool: Tool): tool is PaintTool =>
  (PAINT_TOOLS as readonly string[]).includes(tool);

export type VoiChoice =
  /** One of the image's own, counted from 0. */
  | { kind: 'own'; which: number }
  | { kind: 'set'; voi: WindowVoi; name: string | null }
  /** What a presentation state says of each frame. */
  | { kind: 'state'; sopInstanceUid: string };

export const OWN_VOI: VoiChoice = { kind: 'own', which: 0 };

export type PaneStatus =
  { kind: 'empty' } | { kind: 'loading' } | { kind: 'ready' } | { kind: 'failed'; failure: Failure };

export interface Pane {
  displaySetId: string | null;
  /** The frame that is wanted, and the one on the screen while it loads. */
  index: number;
  shown: number | null;
  status: PaneStatus;
  presentation: Presentation;
  voi: VoiChoice;
  /** What `voi` means for the frame on the screen. */
  shownVoi: Voi | null;
  isInverted: boolean;
  /** The mask that is subtracted from the frames. */
  subtraction: ChosenMask | null;
  isPlaying: boolean;
  /** Frames per second set by the reader; null is what the data say. */
  rate: number | null;
  /** Raised to load again what failed. */
  attempt: number;
}

const EMPTY_PANE: Pane = {
  displaySetId: null,
  index: 0,
  shown: null,
  status: { kind: 'empty' },
  presentation: FITTED,
  voi: OWN_VOI,
  shownVoi: null,
  isInverted: false,
  subtraction: null,
  isPlaying: false,
  rate: null,
  attempt: 0,
};

export type SeriesState =
  | { kind: 'waiting' }
  | { kind: 'loading' }
  | { kind: 'ready'; displaySetIds: string[] }
  | { kind: 'failed'; failure: Failure };

export interface SeriesEntry {
  summary: SeriesSummary;
  state: SeriesState;
}

export type StudyState = { kind: 'loading' } | { kind: 'ready' } | { kind: 'failed'; failure: Failure };

export interface ViewerState {
  studyInstanceUid: string;
  study: StudyState;
  patient: PatientAndStudy | null;
  series: SeriesEntry[];
  displaySets: Record<string, DisplaySet>;
  /** Frames loaded of each display set. */
  loaded: Record<string, number>;
  layout: Layout;
  maximised: PaneId | null;
  active: PaneId;
  panes: Record<PaneId, Pane>;
  tool: Tool;
  hasOverlay: boolean;
  hasStrip: boolean;
  hasTags: boolean;
  hasMeasurements: boolean;
}

const emptyPanes = (): Record<PaneId, Pane> =>
  Object.fromEntries(PANES.map((id) => [id, EMPTY_PANE])) as Record<PaneId, Pane>;

const initialState = (studyInstanceUid: string): ViewerState => ({
  studyInstanceUid,
  study: { kind: 'loading' },
  patient: null,
  series: [],
  displaySets: {},
  loaded: {},
  layout: '1x1',
  maximised: null,
  active: 'pane1',
  panes: emptyPanes(),
  tool: 'window',
  hasOverlay: true,
  hasStrip: true,
  hasTags: false,
  hasMeasurements: false,
});

export const useViewer = create<ViewerState>(() => initialState(''));

const { getState, setState } = useViewer;

export function startStudy(studyInstanceUid: string, view: { isNarrow: boolean }): void {
  const before = getState();
  setState({
    ...initialState(studyInstanceUid),
    hasOverlay: before.hasOverlay,
    hasTags: before.hasTags && !view.isNarrow,
    hasMeasurements: before.hasMeasurements && !view.isNarrow,
    hasStrip: !view.isNarrow,
    tool: view.isNarrow ? 'scroll' : 'window',
  });
}

export function changePane(id: PaneId, change: Partial<Pane> | ((pane: Pane) => Partial<Pane>)): void {
  setState(({ panes }) => {
    const pane = panes[id];
    return {
      panes: { ...panes, [id]: { ...pane, ...(typeof change === 'function' ? change(pane) : change) } },
    };
  });
}

export function visiblePanes(state: ViewerState): readonly PaneId[] {
  return state.maximised ? [state.maximised] : panesOf(state.layout);
}

export function displaySetOf(state: ViewerState, id: PaneId): DisplaySet | null {
  const { displaySetId } = state.panes[id];
  return displaySetId === null ? null : (state.displaySets[displaySetId] ?? null);
}

export function stackOf(state: ViewerState, id: PaneId): StackDisplaySet | null {
  const found = displaySetOf(state, id);
  return found?.kind === 'stack' ? found : null;
}

/** All display sets in the order of the strip. */
export function displaySetsInOrder(state: ViewerState): DisplaySet[] {
  return state.series.flatMap(({ state: series }) =>
    series.kind === 'ready' ? series.displaySetIds.flatMap((id) => state.displaySets[id] ?? []) : [],
  );
}

export function openDisplaySet(pane: PaneId, displaySetId: string): void {
  const opened = getState().displaySets[displaySetId];
  if (!opened) return;
  changePane(pane, (before) => ({
    ...EMPTY_PANE,
    displaySetId,
    presentation: { ...FITTED, orientation: hungOrientation(opened) },
    status: opened.kind === 'stack' ? { kind: 'loading' } : { kind: 'ready' },
    attempt: before.attempt + 1,
  }));
  setState({ active: pane });
}

/** What a viewport shows, and from where on. */
export interface Hung {
  displaySetId: string;
  index: number;
  voi: VoiChoice;
  isInverted: boolean;
}

/** Arranges all viewports at once; those without anything to show are empty. What hangs there already stays. */
export function hangPanes(layout: Layout, hung: readonly (Hung | null)[]): void {
  setState((state) => {
    const panes = emptyPanes();
    panesOf(layout).forEach((id, at) => {
      const each = hung[at];
      const set = each && state.displaySets[each.displaySetId];
      if (!each || !set) return;
      const before = state.panes[id];
      const { index, voi, isInverted } = each;
      const isThere = before.displaySetId === each.displaySetId && before.index === index;
      panes[id] = {
        ...(isThere
          ? before
          : { ...EMPTY_PANE, status: { kind: set.kind === 'stack' ? 'loading' : 'ready' } }),
        displaySetId: each.displaySetId,
        index,
        voi,
        isInverted,
        presentation: { ...FITTED, orientation: hungOrientation(set, index) },
        attempt: isThere ? before.attempt : before.attempt + 1,
      };
    });
    const first = panesOf(layout).find((id) => panes[id].displaySetId !== null) ?? 'pane1';
    return { layout, panes, maximised: null, active: first };
  });
}

const isSame = (one: Orientation, other: Orientation): boolean =>
  one.every((value, at) => value === other[at]);

export function setIndex(pane: PaneId, index: number): void {
  const stack = stackOf(getState(), pane);
  if (!stack) return;
  const bounded = Math.min(stack.frames.length - 1, Math.max(0, Math.round(index)));
  const { index: before, presentation } = getState().panes[pane];
  if (bounded === before) return;
  // The mammograms of one series may be of both sides: each hangs by its own, unless the reader turned it.
  const next = hungOrientation(stack, bounded);
  const isAsHung = isSame(presentation.orientation, hungOrientation(stack, before));
  const turned = isAsHung && !isSame(presentation.orientation, next);
  changePane(pane, {
    index: bounded,
    ...(turned && { presentation: { ...presentation, orientation: next } }),
  });
}

export function scrollBy(pane: PaneId, steps: number): void {
  setIndex(pane, getState().panes[pane].index + steps);
}

export function addDisplaySets(seriesInstanceUid: string, sets: DisplaySet[]): void {
  setState(({ displaySets, series, loaded }) => ({
    displaySets: { ...displaySets, ...Object.fromEntries(sets.map((set) => [set.id, set])) },
    loaded: { ...Object.fromEntries(sets.map((set) => [set.id, 0])), ...loaded },
    series: series.map((entry) =>
      entry.summary.seriesInstanceUid === seriesInstanceUid
        ? { ...entry, state: { kind: 'ready', displaySetIds: sets.map((set) => set.id) } }
        : entry,
    ),
  }));
}

export function setSeriesState(seriesInstanceUid: string, state: SeriesState): void {
  setState(({ series }) => ({
    series: series.map((entry) =>
      entry.summary.seriesInstanceUid === seriesInstanceUid ? { ...entry, state } : entry,
    ),
  }));
}

/** Fills viewports that a larger layout has added with the next display sets of the study. */
function filled(state: ViewerState, layout: Layout): Partial<ViewerState> {
  const stacks = displaySetsInOrder(state).filter((set) => set.kind === 'stack');
  const shown = panesOf(state.layout).map((id) => state.panes[id].displaySetId);
  const last = stacks.findIndex((set) => set.id === shown.findLast((id) => id !== null));
  const next = stacks.slice(last + 1).filter((set) => !shown.includes(set.id));
  const panes = { ...state.panes };
  for (const id of panesOf(layout)) {
    if (panes[id].displaySetId !== null) continue;
    const set = next.shift();
    if (!set) continue;
    const presentation = { ...FITTED, orientation: hungOrientation(set) };
    panes[id] = { ...EMPTY_PANE, displaySetId: set.id, presentation, status: { kind: 'loading' } };
  }
  return { panes };
}

export function setLayout(layout: Layout): void {
  setState((state) => ({
    layout,
    maximised: null,
    active: panesOf(layout).includes(state.active) ? state.active : 'pane1',
    ...filled(state, layout),
  }));
}

export function toggleMaximised(pane: PaneId): void {
  setState(({ maximised, layout }) => ({
    maximised: maximised === null && layout !== '1x1' ? pane : null,
    active: pane,
  }));
}
