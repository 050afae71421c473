/** What the reader can do with marks, by key and by button. */
import { ensureSeries } from '../../data/opening';
import { redo, select, undo, useAnnotations } from '../../state/annotations';
import {
  isMarking,
  isPainting,
  type Navigation,
  openDisplaySet,
  setIndex,
  stackOf,
  useViewer,
} from '../../state/store';
import type { Action } from '../actions';
import { saveReport } from './keeping';
import { loadMarks } from './loading';
import type { Annotation, MarkKind } from './model';

const KEYS: Record<MarkKind, string> = {
  length: 'Shift+L',
  bidirectional: 'Shift+B',
  angle: 'Shift+A',
  cobb: 'Shift+C',
  ellipse: 'Shift+E',
  circle: 'Shift+O',
  rectangle: 'Shift+Q',
  freehand: 'Shift+H',
  spline: 'Shift+S',
  livewire: 'Shift+W',
  polyline: 'Shift+U',
  probe: 'Shift+P',
  arrow: 'Shift+T',
  calibration: 'Shift+D',
};

export const MARK_ACTION_OF = {
  length: 'markLength',
  bidirectional: 'markBidirectional',
  angle: 'markAngle',
  cobb: 'markCobb',
  ellipse: 'markEllipse',
  circle: 'markCircle',
  rectangle: 'markRectangle',
  freehand: 'markFreehand',
  spline: 'markSpline',
  livewire: 'markLivewire',
  polyline: 'markPolyline',
  probe: 'markProbe',
  arrow: 'markArrow',
  calibration: 'markCalibration',
} as const satisfies Record<MarkKind, string>;

let before: Navigation = 'window';

/** Keeps what the left button did, to come back to it. */
export function keepNavigation(): void {
  const { tool } = useViewer.getState();
  if (!isMarking(tool) && !isPainting(tool)) before = tool;
}

function chooseMark(kind: MarkKind): void {
  keepNavigation();
  void loadMarks();
  useViewer.setState({ tool: kind });
}

/** Back to the tool that was chosen before marking or painting. */
export function leaveMarking(): void {
  useViewer.setState({ tool: before });
}

/** Shows the frame that a mark lies on, in the active viewport, and selects it. */
export function jumpTo(annotation: Annotation): void {
  const state = useViewer.getState();
  const pane = state.active;
  const isFrame = (stack: ReturnType<typeof stackOf>): number =>
    stack?.frames.findIndex(
      (frame) =>
        frame.instance.sopInstanceUid === annotation.sopInstanceUid &&
        frame.frameNumber === annotation.frameNumber,
    ) ?? -1;
  const here = isFrame(stackOf(state, pane));
  if (here >= 0) setIndex(pane, here);
  else void openWith(annotation);
  select(annotation.uid);
}

async function openWith(annotation: Annotation): Promise<void> {
  const sets = await ensureSeries(annotation.seriesInstanceUid);
  const pane = useViewer.getState().active;
  for (const set of sets) {
    if (set.kind !== 'stack') continue;
    const index = set.frames.findIndex(
      ({ instance, frameNumber }) =>
        instance.sopInstanceUid === annotation.sopInstanceUid && frameNumber === annotation.frameNumber,
    );
    if (index < 0) continue;
    openDisplaySet(pane, set.id);
    setIndex(pane, index);
    return;
  }
}

function step(by: 1 | -1): void {
  const { items, selected } = useAnnotations.getState();
  if (items.length === 0) return;
  const at = items.findIndex(({ uid }) => uid === selected);
  const next = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : (at + by + items.length) % items.length];
  if (next) jumpTo(next);
}

const nudge = (dx: number, dy: number, isLastPointOnly: boolean) => (): void =>
  void loadMarks().then((marks) => marks.nudge([dx, dy], isLastPointOnly));

function place(): void {
  const { tool, active } = useViewer.getState();
  if (isMarking(tool)) void loadMarks().then((marks) => marks.placeInMiddle(active, tool));
}

export const MARK_ACTIONS: Action[] = [
  ...(Object.keys(KEYS) as MarkKind[]).map((kind): Action => ({
    name: MARK_ACTION_OF[kind],
    group: 'marks',
    keys: [KEYS[kind]],
    run: () => chooseMark(kind),
  })),
  { name: 'placeMark', group: 'marks', keys: ['Enter'], run: place },
  { name: 'nextMark', group: 'marks', keys: ['n'], run: () => step(1) },
  { name: 'previousMark', group: 'marks', keys: ['Shift+N'], run: () => step(-1) },
  { name: 'markLeft', group: 'marks', keys: ['Alt+ArrowLeft'], run: nudge(-1, 0, false) },
  { name: 'markRight', group: 'marks', keys: ['Alt+ArrowRight'], run: nudge(1, 0, false) },
  { name: 'markUp', group: 'marks', keys: ['Alt+ArrowUp'], run: nudge(0, -1, false) },
  { name: 'markDown', group: 'marks', keys: ['Alt+ArrowDown'], run: nudge(0, 1, false) },
  { name: 'markEndLeft', group: 'marks', keys: ['Alt+Shift+ArrowLeft'], run: nudge(-1, 0, true) },
  { name: 'markEndRight', group: 'marks', keys: ['Alt+Shift+ArrowRight'], run: nudge(1, 0, true) },
  { name: 'markEndUp', group: 'marks', keys: ['Alt+Shift+ArrowUp'], run: nudge(0, -1, true) },
  { name: 'markEndDown', group: 'marks', keys: ['Alt+Shift+ArrowDown'], run: nudge(0, 1, true) },
  {
    name: 'deleteMark',
    group: 'marks',
    keys: ['Delete'],
    run: () => void loadMarks().then((marks) => marks.removeSelected()),
  },
  {
    name: 'saveMeasurements',
    group: 'marks',
    keys: ['$mod+s'],
    needs: 'store',
    run: () => void saveReport(),
  },
  { name: 'undo', group: 'marks', keys: ['$mod+z'], run: undo },
  { name: 'redo', group: 'marks', keys: ['$mod+y', '$mod+Shift+z'], run: redo },
  {
    name: 'measurements',
    group: 'screen',
    keys: ['Shift+M'],
    run: () => useViewer.setState(({ hasMeasurements }) => ({ hasMeasurements: !hasMeasurements })),
  },
];
