/** What the reader can do, by name: the toolbar, the keys and the cheat sheet all read this list. */
import type { Identity } from '../capture/captions';
import type { Wanted } from '../capture/downloads';
import { useOutput } from '../capture/state';
import { rateFromData, RATE_MAX, RATE_MIN, RATE_WITHOUT_DATA } from '../data/cine';
import { hungOrientation } from '../data/mammography';
import { ensureSeries } from '../data/opening';
import type texts from '../i18n/en.json';
import {
  FITTED,
  flippedHorizontally,
  flippedVertically,
  rotatedLeft,
  rotatedRight,
  UPRIGHT,
} from '../data/orientation';
import { ownVois } from '../lut/voi';
import { stepProtocol } from '../hanging/hang';
import { useHanging } from '../hanging/state';
import { preferencesDialog } from '../prefs/dialog';
import { chooseView } from '../prefs/view';
import { presetsOf } from '../prefs/windows';
import { setApplied, useObjects } from '../state/objects';
import { useSpace } from '../state/space';
import {
  changePane,
  displaySetOf,
  displaySetsInOrder,
  isMarking,
  isPainting,
  type Layout,
  openDisplaySet,
  OWN_VOI,
  type PaneId,
  scrollBy,
  setIndex,
  setLayout,
  stackOf,
  type Tool,
  toggleMaximised,
  useViewer,
  visiblePanes,
} from '../state/store';
import { showNextNotDisplayed } from '../displayed/displayed';
import { leaveMarking, MARK_ACTIONS } from './annotations/actions';
import { toggleKeyImage } from './objects';
import { toggleSameSize } from './sizes';
import { maskHere, moveMask, toggleSubtraction } from './subtraction';
import {
  changeSlab,
  linkByHand,
  nextSlabMode,
  showTrueSize,
  straightenPlanes,
  toggleFusion,
  toggleLink,
  togglePlanes,
  toggleReferenceLines,
  turnBy,
} from './spatial';
import { RENDERING_ACTIONS } from '../rendering/actions';
import { closeRendering, useRendering } from '../rendering/state';
import { SEGMENT_ACTIONS } from '../segments/actions';
import { useSegments } from '../segments/draft';
import { showAutomaticWindow, showPixelsOneToOne, zoomActive } from './withEngine';

export type Group = 'images' | 'window' | 'view' | 'tools' | 'marks' | 'screen';

export type ActionName = Exclude<
  keyof typeof texts.actions,
  // These need more than the state of the viewer; the page itself takes their keys.
  'close' | 'previousStudy' | 'nextStudy' | 'hangPrior' | 'priors'
>;

export interface Action {
  name: ActionName;
  group: Group;
  /** As `tinykeys` writes them; the first is shown on the button. */
  keys: string[];
  /** Whoever lacks this right is told so in place of it. */
  needs?: 'store';
  run: () => void;
}

const { getState, setState } = useViewer;
const active = (): PaneId => getState().active;

export function applyPreset(which: number): void {
  const pane = active();
  const stack = stackOf(getState(), pane);
  if (!stack) return;
  const presets = presetsOf(stack.modality);
  const preset = presets[which];
  if (preset) {
    changePane(pane, {
      voi: {
        kind: 'set',
        voi: { kind: 'window', shape: 'LINEAR', center: preset.center, width: preset.width, explanation: '' },
        name: preset.name,
      },
    });
    return;
  }
  if (presets.length > 0) return;
  // Without presets of the modality the keys choose among the image's own windows.
  const frame = stack.frames[getState().panes[pane].index];
  if (frame && which < ownVois(frame).length) changePane(pane, { voi: { kind: 'own', which } });
}

const turn = (change: typeof rotatedRight) => (): void =>
  changePane(active(), ({ presentation }) => ({
    presentation: { ...presentation, orientation: change(presentation.orientation) },
  }));

export function playOrPause(pane: PaneId = active()): void {
  const stack = stackOf(getState(), pane);
  if (stack && stack.frames.length > 1) changePane(pane, ({ isPlaying }) => ({ isPlaying: !isPlaying }));
}

export function changeRate(pane: PaneId, rate: number): void {
  changePane(pane, { rate: Math.min(RATE_MAX, Math.max(RATE_MIN, Math.round(rate))) });
}

function stepRate(factor: number): void {
  const pane = active();
  const stack = stackOf(getState(), pane);
  if (!stack) return;
  const rate = getState().panes[pane].rate ?? rateFromData(stack) ?? RATE_WITHOUT_DATA;
  changeRate(pane, factor > 1 ? Math.max(rate + 1, rate * factor) : Math.min(rate - 1, rate * factor));
}

/** The series before or after the active one, loaded if need be. */
async function openNeighbour(step: 1 | -1): Promise<void> {
  const state = getState();
  const pane = state.active;
  const current = displaySetOf(state, pane);
  const sets = displaySetsInOrder(state);
  const at = sets.findIndex((set) => set.id === current?.id);
  const next = sets[at + step];
  const seriesAt = state.series.findIndex(
    ({ summary }) => summary.seriesInstanceUid === current?.seriesInstanceUid,
  );
  const neighbour = state.series[seriesAt + step];
  const isSameSeries = next !== undefined && next.seriesInstanceUid === current?.seriesInstanceUid;
  if (next && (isSameSeries || neighbour === undefined || neighbour.state.kind === 'ready')) {
    openDisplaySet(pane, next.id);
  } else if (neighbour && neighbour.state.kind !== 'ready') {
    const loaded = await ensureSeries(neighbour.summary.seriesInstanceUid);
    const set = step > 0 ? loaded[0] : loaded.at(-1);
    if (set) openDisplaySet(pane, set.id);
  }
}

function focusNeighbour(step: 1 | -1): void {
  const panes = visiblePanes(getState());
  const at = panes.indexOf(active());
  const next = panes[(at + step + panes.length) % panes.length];
  if (next) setState({ active: next });
}

export function resetView(pane: PaneId = active()): void {
  setApplied(pane, null);
  const orientation = hungOrientation(
    displaySetOf(getState(), pane) ?? undefined,
    getState().panes[pane].index,
  );
  changePane(pane, {
    presentation: { ...FITTED, orientation },
    voi: OWN_VOI,
    isInverted: false,
    subtraction: null,
  });
}

export function fitView(pane: PaneId = active()): void {
  changePane(pane, ({ presentation }) => ({
    presentation: { ...presentation, zoom: 1, center: [0.5, 0.5] },
  }));
}

const savePictureOf = (identity: Identity) => (): void =>
  void import('../capture/picture').then(({ savePicture }) => savePicture(active(), identity));

const downloadOf = (wanted: Wanted) => (): void =>
  void import('../capture/downloads').then(({ download }) => download(wanted, active()));

const chooseTool = (tool: Tool) => (): void => setState({ tool });
const chooseLayout = (layout: Layout) => (): void => setLayout(layout);

export const ACTIONS: Action[] = [
  {
    name: 'previousImage',
    group: 'images',
    keys: ['ArrowUp', 'ArrowLeft'],
    run: () => scrollBy(active(), -1),
  },
  { name: 'nextImage', group: 'images', keys: ['ArrowDown', 'ArrowRight'], run: () => scrollBy(active(), 1) },
  {
    name: 'tenBack',
    group: 'images',
    keys: ['Shift+ArrowUp', 'Shift+ArrowLeft'],
    run: () => scrollBy(active(), -10),
  },
  {
    name: 'tenForward',
    group: 'images',
    keys: ['Shift+ArrowDown', 'Shift+ArrowRight'],
    run: () => scrollBy(active(), 10),
  },
  { name: 'firstImage', group: 'images', keys: ['Home'], run: () => setIndex(active(), 0) },
  {
    name: 'lastImage',
    group: 'images',
    keys: ['End'],
    run: () => setIndex(active(), Number.MAX_SAFE_INTEGER),
  },
  { name: 'previousSeries', group: 'images', keys: ['PageUp'], run: () => void openNeighbour(-1) },
  { name: 'nextSeries', group: 'images', keys: ['PageDown'], run: () => void openNeighbour(1) },
  { name: 'keyImage', group: 'images', keys: ['k'], run: toggleKeyImage },
  { name: 'play', group: 'images', keys: ['Space', 'c'], run: () => playOrPause() },
  { name: 'nextNotDisplayed', group: 'images', keys: ['Shift+J'], run: () => void showNextNotDisplayed() },
  { name: 'subtract', group: 'images', keys: ['Alt+d'], run: toggleSubtraction },
  { name: 'maskHere', group: 'images', keys: ['Alt+Shift+D'], run: maskHere },
  { name: 'maskUp', group: 'images', keys: ['$mod+ArrowUp'], run: () => moveMask(-1, 0) },
  { name: 'maskDown', group: 'images', keys: ['$mod+ArrowDown'], run: () => moveMask(1, 0) },
  { name: 'maskLeft', group: 'images', keys: ['$mod+ArrowLeft'], run: () => moveMask(0, -1) },
  { name: 'maskRight', group: 'images', keys: ['$mod+ArrowRight'], run: () => moveMask(0, 1) },
  { name: 'slower', group: 'images', keys: [','], run: () => stepRate(1 / 1.25) },
  { name: 'faster', group: 'images', keys: ['.'], run: () => stepRate(1.25) },

  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((which): Action => ({
    name: `preset${(which + 1) as 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`,
    group: 'window',
    keys: [String(which + 1)],
    run: () => applyPreset(which),
  })),
  { name: 'ownWindow', group: 'window', keys: ['d'], run: () => changePane(active(), { voi: OWN_VOI }) },
  { name: 'automaticWindow', group: 'window', keys: ['a'], run: () => showAutomaticWindow(active()) },
  {
    name: 'invert',
    group: 'window',
    keys: ['i'],
    run: () => changePane(active(), ({ isInverted }) => ({ isInverted: !isInverted })),
  },

  { name: 'fit', group: 'view', keys: ['f', '='], run: () => fitView() },
  { name: 'oneToOne', group: 'view', keys: ['Shift+F'], run: () => showPixelsOneToOne(active()) },
  { name: 'trueSize', group: 'view', keys: ['Shift+Z'], run: () => void showTrueSize() },
  { name: 'sameSize', group: 'view', keys: ['Alt+z'], run: toggleSameSize },
  {
    name: 'measureScreen',
    group: 'view',
    keys: [],
    run: () => useSpace.setState({ isCalibrating: true }),
  },
  { name: 'zoomIn', group: 'view', keys: ['+', 'Shift++'], run: () => zoomActive(active(), 1.25) },
  { name: 'zoomOut', group: 'view', keys: ['-'], run: () => zoomActive(active(), 1 / 1.25) },
  { name: 'rotateRight', group: 'view', keys: ['r'], run: turn(rotatedRight) },
  { name: 'rotateLeft', group: 'view', keys: ['l', 'Shift+R'], run: turn(rotatedLeft) },
  { name: 'flipHorizontally', group: 'view', keys: ['h'], run: turn(flippedHorizontally) },
  { name: 'flipVertically', group: 'view', keys: ['v'], run: turn(flippedVertically) },
  { name: 'upright', group: 'view', keys: ['u'], run: turn(() => UPRIGHT) },
  { name: 'reset', group: 'view', keys: ['0', 'Backspace'], run: () => resetView() },

  { name: 'toolWindow', group: 'tools', keys: ['w'], run: chooseTool('window') },
  { name: 'toolScroll', group: 'tools', keys: ['s'], run: chooseTool('scroll') },
  { name: 'toolPan', group: 'tools', keys: ['p'], run: chooseTool('pan') },
  { name: 'toolZoom', group: 'tools', keys: ['z'], run: chooseTool('zoom') },
  { name: 'toolRegion', group: 'tools', keys: ['Shift+V'], run: chooseTool('region') },
  { name: 'toolCrosshair', group: 'tools', keys: ['x'], run: chooseTool('crosshair') },
  { name: 'toolMagnify', group: 'tools', keys: ['Shift+X'], run: chooseTool('magnify') },

  ...MARK_ACTIONS,
  ...SEGMENT_ACTIONS,
  ...RENDERING_ACTIONS,

  { name: 'layout1x1', group: 'screen', keys: ['Shift+Digit1'], run: chooseLayout('1x1') },
  { name: 'layout1x2', group: 'screen', keys: ['Shift+Digit2'], run: chooseLayout('1x2') },
  { name: 'layout2x1', group: 'screen', keys: ['Shift+Digit3'], run: chooseLayout('2x1') },
  { name: 'layout2x2', group: 'screen', keys: ['Shift+Digit4'], run: chooseLayout('2x2') },
  { name: 'layout2x3', group: 'screen', keys: ['Shift+Digit5'], run: chooseLayout('2x3') },
  { name: 'layout3x3', group: 'screen', keys: ['Shift+Digit6'], run: chooseLayout('3x3') },
  { name: 'layout4x4', group: 'screen', keys: ['Shift+Digit7'], run: chooseLayout('4x4') },
  { name: 'linkPlace', group: 'screen', keys: ['g'], run: () => toggleLink('place') },
  { name: 'linkByHand', group: 'screen', keys: ['Shift+G'], run: linkByHand },
  { name: 'linkWindow', group: 'screen', keys: ['Alt+g'], run: () => toggleLink('window') },
  { name: 'linkView', group: 'screen', keys: ['Alt+Shift+G'], run: () => toggleLink('view') },
  { name: 'referenceLines', group: 'screen', keys: ['Shift+I'], run: toggleReferenceLines },
  { name: 'planes', group: 'screen', keys: ['q'], run: () => void togglePlanes() },
  { name: 'turnLeft', group: 'screen', keys: ['Alt+,'], run: () => void turnBy(-5) },
  { name: 'turnRight', group: 'screen', keys: ['Alt+.'], run: () => void turnBy(5) },
  { name: 'straighten', group: 'screen', keys: ['Alt+0'], run: () => void straightenPlanes() },
  { name: 'thinner', group: 'screen', keys: ['Alt+-'], run: () => void changeSlab(-2) },
  { name: 'thicker', group: 'screen', keys: ['Alt++', 'Alt+='], run: () => void changeSlab(2) },
  { name: 'slabMode', group: 'screen', keys: ['Alt+m'], run: () => void nextSlabMode() },
  { name: 'fusion', group: 'screen', keys: ['j'], run: () => void toggleFusion() },
  { name: 'nextProtocol', group: 'screen', keys: ['e'], run: () => stepProtocol(1) },
  { name: 'previousProtocol', group: 'screen', keys: ['Alt+e'], run: () => stepProtocol(-1) },
  {
    name: 'rememberHanging',
    group: 'screen',
    keys: ['Alt+k'],
    run: () => useHanging.setState({ dialog: 'remember' }),
  },
  {
    name: 'hangingProtocols',
    group: 'screen',
    keys: ['Alt+h'],
    run: () => useHanging.setState({ dialog: 'list' }),
  },
  { name: 'maximise', group: 'screen', keys: ['m'], run: () => toggleMaximised(active()) },
  { name: 'previousViewport', group: 'screen', keys: ['['], run: () => focusNeighbour(-1) },
  { name: 'nextViewport', group: 'screen', keys: [']'], run: () => focusNeighbour(1) },
  {
    name: 'strip',
    group: 'screen',
    keys: ['b'],
    run: () => {
      setState(({ hasStrip }) => ({ hasStrip: !hasStrip }));
      chooseView({ hasStrip: getState().hasStrip });
    },
  },
  {
    name: 'overlay',
    group: 'screen',
    keys: ['o'],
    run: () => {
      setState(({ hasOverlay }) => ({ hasOverlay: !hasOverlay }));
      chooseView({ hasOverlay: getState().hasOverlay });
    },
  },
  {
    name: 'objects',
    group: 'screen',
    keys: ['Shift+K'],
    run: () => useObjects.setState(({ hasPanel }) => ({ hasPanel: !hasPanel })),
  },
  {
    name: 'tags',
    group: 'screen',
    keys: ['t'],
    run: () => setState(({ hasTags }) => ({ hasTags: !hasTags })),
  },
  { name: 'savePicture', group: 'screen', keys: ['Alt+p'], run: savePictureOf('patient') },
  { name: 'savePictureAnonymously', group: 'screen', keys: [], run: savePictureOf('none') },
  {
    name: 'saveFilm',
    group: 'screen',
    keys: ['Alt+Shift+P'],
    run: () => useOutput.setState({ dialog: 'film' }),
  },
  {
    name: 'print',
    group: 'screen',
    keys: ['$mod+p'],
    run: () => useOutput.setState({ dialog: 'print' }),
  },
  { name: 'downloadStudy', group: 'screen', keys: [], run: downloadOf('study') },
  { name: 'downloadSeries', group: 'screen', keys: [], run: downloadOf('series') },
  { name: 'downloadInstance', group: 'screen', keys: [], run: downloadOf('instance') },
  { name: 'downloadJpeg', group: 'screen', keys: [], run: downloadOf('jpeg') },
  { name: 'preferences', group: 'screen', keys: ['$mod+,'], run: () => preferencesDialog.open() },
];

const byName = new Map(ACTIONS.map((action) => [action.name, action]));

export function action(name: ActionName): Action {
  const found = byName.get(name);
  if (!found) throw new Error(`There is no action ${name}.`);
  return found;
}

/** Esc leaves the innermost thing that is open; false when only the viewer itself is left. */
export function stepBack(): boolean {
  const { hasTags, hasMeasurements, maximised, tool } = getState();
  if (useRendering.getState().sourceId !== null) closeRendering();
  else if (isMarking(tool) || isPainting(tool)) leaveMarking();
  else if (hasTags) setState({ hasTags: false });
  else if (hasMeasurements) setState({ hasMeasurements: false });
  else if (useSegments.getState().hasPanel) useSegments.setState({ hasPanel: false });
  else if (useObjects.getState().hasPanel) useObjects.setState({ hasPanel: false });
  else if (maximised) setState({ maximised: null });
  else return false;
  return true;
}
