/**
 * Draws the marks with Cornerstone's tools and tells the state what the reader does with them. The state leads: what is
 * drawn is made from it, and a change by hand becomes a new state when the button is let go.
 */
import { cache, eventTarget, Enums as CoreEnums, triggerEvent } from '@cornerstonejs/core';
import {
  addTool,
  AngleTool,
  annotation as marking,
  ArrowAnnotateTool,
  BidirectionalTool,
  cancelActiveManipulations,
  CircleROITool,
  CobbAngleTool,
  EllipticalROITool,
  Enums,
  init,
  LengthTool,
  LivewireContourTool,
  PlanarFreehandROITool,
  ProbeTool,
  RectangleROITool,
  SplineROITool,
  ToolGroupManager,
  utilities,
} from '@cornerstonejs/tools';
import type { Frame } from '../../data/frames';
import { canvasToImage } from '../../data/orientation';
import type { Point2 } from '../../data/vectors';
import { engine } from '../../engine/cornerstone';
import { frameOf, uriOf } from '../../engine/metadata';
import { session } from '../../engine/session';
import { isColour } from '../../lut/pixels';
import {
  addAnnotation,
  addAnnotations,
  removeAnnotation,
  select,
  updateAnnotation,
  updateAnnotations,
  useAnnotations,
} from '../../state/annotations';
import { isMarking, type PaneId, type Tool, useViewer } from '../../state/store';
import { type Chart, chartOf } from './charts';
import { fromReport, type ReportedMark } from './wire';
import { copiesOf, placedAmong } from './inSpace';
import { type MeasurementDocument, shownDocuments, useKeeping } from './keeping';
import { changedBy, type Drawn, drawnOf, kindOf, lyingOn, pointsOf, TOOL_NAMES } from './convert';
import { geometryOf } from '../../engine/geometry';
import { manualSpacing, measure, spacingAt, unitOf, type Values } from './measure';
import { AREA_KINDS, type Annotation, MARK_KINDS, type MarkKind, newUid, type Spacing } from './model';
import { textLines } from './words';

/** A line of known length, which says what the image's pixels measure. */
class CalibrationTool extends LengthTool {
  static override toolName = TOOL_NAMES.calibration;
}

/** A line by hand that stays open. */
class PolylineTool extends PlanarFreehandROITool {
  static override toolName = TOOL_NAMES.polyline;
}

const TOOLS = [
  LengthTool,
  BidirectionalTool,
  AngleTool,
  CobbAngleTool,
  EllipticalROITool,
  CircleROITool,
  RectangleROITool,
  PlanarFreehandROITool,
  SplineROITool,
  LivewireContourTool,
  PolylineTool,
  ProbeTool,
  ArrowAnnotateTool,
  CalibrationTool,
];

const STYLE = {
  color: '#ffd43b',
  colorHighlighted: '#63e6be',
  colorSelected: '#38d9a9',
  colorLocked: '#b197fc',
  lineWidth: '1.5',
  textBoxFontFamily: 'inherit',
  textBoxFontSize: '13px',
  textBoxColor: '#ffe066',
  textBoxColorHighlighted: '#63e6be',
  textBoxColorSelected: '#63e6be',
  textBoxColorLocked: '#d0bfff',
};

const GROUP = 'filmless-marks';
/** Screen pixels within which a mark is taken hold of. */
const REACH = 6;

const { ANNOTATION_COMPLETED, ANNOTATION_SELECTION_CHANGE } = Enums.Events;

/** Our UIDs of marks whose drawing began with a name of Cornerstone's. */
const ourUids = new Map<string, string>();
const drawnUids = new Map<string, string>();
/** What is drawn, by the name of the drawing. */
const applied = new Map<string, Annotation>();

const drawnUidOf = (uid: string): string => drawnUids.get(uid) ?? uid;

const drawnBy = (drawnUid: string): Drawn | undefined =>
  marking.state.getAnnotation(drawnUid) as unknown as Drawn | undefined;

let framesOf: unknown = null;
const frames = new Map<string, Frame>();

/** A frame of the opened study; undefined while its series is not read. */
export function findFrame(sopInstanceUid: string, frameNumber: number): Frame | undefined {
  const { displaySets } = useViewer.getState();
  if (framesOf !== displaySets) {
    framesOf = displaySets;
    frames.clear();
    for (const set of Object.values(displaySets)) {
      if (set.kind !== 'stack') continue;
      for (const frame of set.frames)
        frames.set(`${frame.instance.sopInstanceUid}/${frame.frameNumber}`, frame);
    }
  }
  return frames.get(`${sopInstanceUid}/${frameNumber}`);
}

/** The modality values of a frame that is loaded; null for colours. */
export function valuesOf(frame: Frame): Values | null {
  const image = cache.getImage(frame.imageId);
  if (!image || image.color) return null;
  return { columns: image.columns, rows: image.rows, data: image.getPixelData(), ...unitOf(frame) };
}

/** What is drawn of a mark in the panel; its frame is loaded for it when it must. Null: nothing is to be drawn of it. */
export async function chartFor(annotation: Annotation): Promise<Chart | null> {
  const frame = findFrame(annotation.sopInstanceUid, annotation.frameNumber);
  const format = frame?.instance.pixels;
  if (!frame || !format || isColour(format)) return null;
  const data = await session.pixelsOfFrame(frame);
  const values = { columns: format.columns, rows: format.rows, data, ...unitOf(frame) };
  return chartOf(annotation, aspectOf(frame), values);
}

export function manualSpacingOf(frame: Frame): Spacing | null {
  const calibration = useAnnotations
    .getState()
    .items.findLast(
      (each) => each.kind === 'calibration' && each.sopInstanceUid === frame.instance.sopInstanceUid,
    );
  return calibration ? manualSpacing(frame, calibration) : null;
}

export const aspectOf = (frame: Frame): number => frame.plane.rowSpacing / frame.plane.columnSpacing;

/** Measures again; what needs pixels that are not loaded keeps its values. */
function remeasured(annotation: Annotation): Annotation {
  const frame = findFrame(annotation.sopInstanceUid, annotation.frameNumber);
  if (!frame) return annotation;
  const { kind, points } = annotation;
  const values = valuesOf(frame);
  const spacing = spacingAt(frame, points, manualSpacingOf(frame));
  const found = measure(kind, points, aspectOf(frame), spacing, values);
  const isPartial = values === null && (AREA_KINDS.has(kind) || kind === 'probe');
  const kept = isPartial
    ? annotation.values.filter(({ name }) => !found.some((each) => each.name === name))
    : [];
  return { ...annotation, spacing, values: [...found, ...kept] };
}

/** Measures again what a calibration of the instance has changed. */
function remeasureInstance(sopInstanceUid: string): void {
  updateAnnotations(
    useAnnotations
      .getState()
      .items.filter((each) => each.sopInstanceUid === sopInstanceUid)
      .map(remeasured),
  );
}

/** What is written beside a mark while it is drawn and afterwards. */
function linesFor(kind: MarkKind, data: Drawn['data'], target: string | string[]): string[] {
  if (data.lines) return data.lines;
  const [first] = Array.isArray(target) ? target : [target];
  const frame = first === undefined ? undefined : frameOf(first.slice(first.indexOf(':') + 1));
  const geometry = frame && geometryOf(frame);
  const found = geometry && pointsOf(kind, data, geometry);
  if (!frame || !found) return data.label ? [data.label] : [];
  const spacing = spacingAt(frame, found.points, manualSpacingOf(frame));
  const values = measure(kind, found.points, aspectOf(frame), spacing, valuesOf(frame));
  return textLines(kind, data.label ?? '', values, spacing);
}

function group() {
  const found = ToolGroupManager.getToolGroup(GROUP);
  if (found) return found;
  const made = ToolGroupManager.createToolGroup(GROUP);
  if (!made) throw new Error('The tools cannot be grouped.');
  for (const kind of MARK_KINDS) {
    made.addTool(TOOL_NAMES[kind], {
      getTextLines: (data: Drawn['data'], target: string | string[]) => linesFor(kind, data, target),
      getTextCallback: (done: (text: string | null) => void) => ask('text', done),
      arrowFirst: true,
      // An end that lies near the beginning closes an outline, and not a line.
      ...(kind === 'polyline' && { closeContourProximity: 0 }),
    });
    const tool = made.getToolInstance(TOOL_NAMES[kind]) as { configuration: { actions?: unknown } };
    // Keys are ours: a `z` is no undo, and undo takes back the state.
    tool.configuration.actions = {};
    made.setToolPassive(TOOL_NAMES[kind]);
  }
  return made;
}

function ask(kind: 'text' | 'length', answer: (text: string | null) => void): void {
  useAnnotations.setState({
    question: {
      kind,
      answer: (text) => {
        useAnnotations.setState({ question: null });
        answer(text);
      },
    },
  });
}

function redraw(): void {
  utilities.triggerAnnotationRenderForToolGroupIds([GROUP]);
}

/** The library cannot take the selection from what is gone. */
function erase(drawnUid: string): void {
  if (marking.selection.isAnnotationSelected(drawnUid))
    marking.selection.setAnnotationSelected(drawnUid, false);
  marking.state.removeAnnotation(drawnUid);
}

function draw(annotation: Annotation, drawnUid: string, isReported = false): void {
  const frame = findFrame(annotation.sopInstanceUid, annotation.frameNumber);
  if (!frame || applied.get(drawnUid) === annotation) return;
  const drawn = drawnOf(annotation, frame, drawnUid);
  if (!drawn) return;
  if (isReported)
    drawn.data.lines = textLines(annotation.kind, annotation.label, annotation.values, annotation.spacing);
  if (applied.has(drawnUid)) erase(drawnUid);
  applied.set(drawnUid, annotation);
  marking.state.addAnnotation(
    drawn as unknown as Parameters<typeof marking.state.addAnnotation>[0],
    String(drawn.metadata.FrameOfReferenceUID),
  );
  if (isReported) marking.locking.setAnnotationLocked(drawnUid, true);
  if (annotation.isHidden) marking.visibility.setAnnotationVisibility(drawnUid, false);
}

/** Marks of reports, as they are drawn. */
const reported = new WeakMap<ReportedMark, Annotation>();

function follow(): void {
  const state = useAnnotations.getState();
  const wanted = new Set<string>();
  for (const annotation of state.items) {
    const drawnUid = drawnUidOf(annotation.uid);
    wanted.add(drawnUid);
    draw(annotation, drawnUid);
  }
  const { displaySets } = useViewer.getState();
  for (const { sopInstanceUid, marks, shapes } of shownDocuments(useKeeping.getState())) {
    for (const { annotation } of shapes.flatMap((shape) => placedAmong(shape, displaySets))) {
      const drawnUid = `${sopInstanceUid}/${annotation.uid}`;
      wanted.add(drawnUid);
      draw(annotation, drawnUid, true);
    }
    for (const mark of marks) {
      const drawnUid = `${sopInstanceUid}/${mark.uid}`;
      wanted.add(drawnUid);
      // The same mark is the same object: it is drawn once.
      const annotation = reported.get(mark) ?? fromReport(mark);
      reported.set(mark, annotation);
      draw(annotation, drawnUid, true);
    }
  }
  for (const drawnUid of applied.keys()) {
    if (wanted.has(drawnUid)) continue;
    applied.delete(drawnUid);
    erase(drawnUid);
  }
  const selected = state.selected === null ? null : drawnUidOf(state.selected);
  for (const each of marking.selection.getAnnotationsSelected())
    if (each !== selected) marking.selection.setAnnotationSelected(each, false);
  if (selected !== null && drawnBy(selected) && !marking.selection.isAnnotationSelected(selected))
    marking.selection.setAnnotationSelected(selected, true);
  redraw();
}

/** Takes over what the reader has moved. */
function collect(): void {
  const moved: Annotation[] = [];
  for (const item of useAnnotations.getState().items) {
    const drawnUid = drawnUidOf(item.uid);
    const drawn = drawnBy(drawnUid);
    const frame = drawn && findFrame(item.sopInstanceUid, item.frameNumber);
    if (!drawn || !frame || applied.get(drawnUid) !== item) continue;
    const now = changedBy(item, drawn, frame);
    if (now === item) continue;
    const measured = remeasured(now);
    applied.set(drawnUid, measured);
    moved.push(measured);
  }
  updateAnnotations(moved);
  const calibration = moved.find(({ kind }) => kind === 'calibration');
  if (calibration) remeasureInstance(calibration.sopInstanceUid);
}

let collecting: ReturnType<typeof setTimeout> | undefined;
let isHeld = false;

/** While something is pulled, where it is now is no step of its own: the release tells the whole of it. */
function hold(): void {
  isHeld = true;
}

/** After the tools have heard of the same event, and after the outline was drawn that a handle pulls. */
function release(): void {
  isHeld = false;
  clearTimeout(collecting);
  collecting = setTimeout(() => requestAnimationFrame(() => isHeld || collect()), 30);
}

const annotationOf = (event: Event): Drawn =>
  (event as CustomEvent<{ annotation: unknown }>).detail.annotation as Drawn;

function handleCompleted(event: Event): void {
  const drawn = annotationOf(event);
  const kind = kindOf(drawn.metadata.toolName);
  const frame = frameOf(drawn.metadata.referencedImageId ?? '');
  const geometry = frame && geometryOf(frame);
  const found = kind && geometry && pointsOf(kind, drawn.data, geometry);
  if (ourUids.has(drawn.annotationUID) || applied.has(drawn.annotationUID)) return;
  if (!kind || !frame || !found) {
    marking.state.removeAnnotation(drawn.annotationUID);
    return;
  }
  Object.assign(drawn.metadata, lyingOn(frame));
  const uid = newUid();
  const finish = (knownMm: number | null): void => {
    ourUids.set(drawn.annotationUID, uid);
    drawnUids.set(uid, drawn.annotationUID);
    const annotation = remeasured({
      uid,
      kind,
      seriesInstanceUid: frame.instance.seriesInstanceUid,
      sopInstanceUid: frame.instance.sopInstanceUid,
      frameNumber: frame.frameNumber,
      ...found,
      label: drawn.data.label ?? '',
      isHidden: false,
      textAt: null,
      values: [],
      spacing: null,
      knownMm,
    });
    applied.set(drawn.annotationUID, annotation);
    addAnnotation(annotation);
    if (kind === 'calibration') remeasureInstance(annotation.sopInstanceUid);
  };
  if (kind !== 'calibration') {
    finish(null);
    return;
  }
  ask('length', (text) => {
    const knownMm = Number((text ?? '').replace(',', '.'));
    if (knownMm > 0 && Number.isFinite(knownMm)) finish(knownMm);
    else marking.state.removeAnnotation(drawn.annotationUID);
    redraw();
  });
}

function handleSelection(event: Event): void {
  const { selection } = (event as CustomEvent<{ selection: string[] }>).detail;
  const last = selection.at(-1);
  const uid = last === undefined ? null : (ourUids.get(last) ?? last);
  if (uid !== null && useAnnotations.getState().selected !== uid) select(uid);
}

function chooseTool(tool: Tool, before: Tool): void {
  const tools = group();
  if (isMarking(before)) {
    cancelDrawing();
    tools.setToolPassive(TOOL_NAMES[before]);
  }
  if (isMarking(tool))
    tools.setToolActive(TOOL_NAMES[tool], { bindings: [{ mouseButton: Enums.MouseBindings.Primary }] });
}

function cancelDrawing(): void {
  for (const { element } of session.views.values()) cancelActiveManipulations(element);
}

function enable(id: PaneId, isNew: boolean): void {
  const view = session.views.get(id);
  if (!view) return;
  const renderingEngineId = engine().id;
  // The library hears of viewports only from its start on.
  if (!isNew)
    triggerEvent(eventTarget, CoreEnums.Events.ELEMENT_ENABLED, {
      element: view.element,
      viewportId: id,
      renderingEngineId,
    });
  group().addViewport(id, renderingEngineId);
  // The library swallows every key on a viewport that has the focus: the pane around it takes the focus instead.
  view.element.removeAttribute('tabindex');
}

let hasStarted = false;

export function start(): void {
  if (hasStarted) return;
  hasStarted = true;
  init();
  for (const tool of TOOLS) addTool(tool);
  const styles = marking.config.style.getDefaultToolStyles();
  marking.config.style.setDefaultToolStyles({ ...styles, global: { ...styles.global, ...STYLE } });
  for (const id of session.views.keys()) enable(id, false);
  session.attachListeners.add((id) => enable(id, true));
  eventTarget.addEventListener(ANNOTATION_COMPLETED, handleCompleted);
  eventTarget.addEventListener(ANNOTATION_SELECTION_CHANGE, handleSelection);
  for (const type of ['mousedown', 'touchstart']) window.addEventListener(type, hold, true);
  for (const type of ['mouseup', 'touchend', 'touchcancel']) window.addEventListener(type, release, true);
  useAnnotations.subscribe(follow);
  useKeeping.subscribe((now, before) => {
    if (
      now.documents !== before.documents ||
      now.hidden !== before.hidden ||
      now.documentUid !== before.documentUid
    )
      follow();
  });
  useViewer.subscribe((now, before) => {
    if (now.tool !== before.tool) chooseTool(now.tool, before.tool);
    if (now.displaySets !== before.displaySets) follow();
  });
  chooseTool(useViewer.getState().tool, 'window');
  follow();
}

/** Whether a mark that can be moved lies under a point of the viewport. */
export function isOnMark(id: PaneId, [x, y]: Point2): boolean {
  const element = session.views.get(id)?.element;
  const imageId = session.views.get(id)?.shownFrame?.imageId;
  if (!element || imageId === undefined) return false;
  return [...applied].some(([drawnUid]) => {
    const drawn = drawnBy(drawnUid);
    if (!drawn || drawn.isVisible === false || drawn.data.lines) return false;
    if (uriOf(drawn.metadata.referencedImageId ?? '') !== uriOf(imageId)) return false;
    const tool = group().getToolInstance(drawn.metadata.toolName) as {
      isPointNearTool: (element: HTMLDivElement, drawn: Drawn, point: Point2, reach: number) => boolean;
      getHandleNearImagePoint: (
        element: HTMLDivElement,
        drawn: Drawn,
        point: Point2,
        reach: number,
      ) => unknown;
    };
    return (
      tool.getHandleNearImagePoint(element, drawn, [x, y], REACH) !== undefined ||
      tool.isPointNearTool(element, drawn, [x, y], REACH)
    );
  });
}

/** Where a mark's points are put when it is made by a key, as shares of the smaller side around the middle. */
const LAYOUTS: Record<MarkKind, Point2[]> = {
  length: [
    [-0.15, 0],
    [0.15, 0],
  ],
  bidirectional: [
    [-0.15, 0],
    [0.15, 0],
    [0, -0.08],
    [0, 0.08],
  ],
  angle: [
    [0.15, 0],
    [0, 0],
    [0, -0.15],
  ],
  cobb: [
    [-0.15, -0.1],
    [0.15, -0.1],
    [-0.15, 0.1],
    [0.15, 0.15],
  ],
  ellipse: [
    [0, -0.1],
    [0, 0.1],
    [-0.15, 0],
    [0.15, 0],
  ],
  circle: [
    [0, 0],
    [0.12, 0],
  ],
  rectangle: [
    [-0.12, -0.1],
    [0.12, -0.1],
    [0.12, 0.1],
    [-0.12, 0.1],
  ],
  freehand: [
    [-0.1, -0.1],
    [0.1, -0.1],
    [0.1, 0.1],
    [-0.1, 0.1],
  ],
  spline: [
    [-0.1, -0.1],
    [0.1, -0.1],
    [0.1, 0.1],
    [-0.1, 0.1],
  ],
  livewire: [
    [-0.1, -0.1],
    [0.1, -0.1],
    [0.1, 0.1],
    [-0.1, 0.1],
  ],
  polyline: [
    [-0.15, 0],
    [0, -0.08],
    [0.15, 0],
  ],
  probe: [[0, 0]],
  arrow: [
    [0, 0],
    [0.12, 0.12],
  ],
  calibration: [
    [-0.15, 0],
    [0.15, 0],
  ],
};

/** Puts a mark of the chosen kind into the middle of the viewport, for readers without a pointer. */
export function placeInMiddle(id: PaneId, kind: MarkKind): void {
  const view = session.views.get(id);
  const frame = view?.shownFrame;
  const geometry = view?.geometry;
  if (!view || !frame || !geometry) return;
  const { size } = view;
  const side = Math.min(size.width, size.height);
  const { presentation } = useViewer.getState().panes[id];
  const points = LAYOUTS[kind].map(([x, y]): Point2 => {
    const [column, row] = canvasToImage(geometry, presentation, size, [
      size.width / 2 + x * side,
      size.height / 2 + y * side,
    ]);
    return [column + 0.5, row + 0.5];
  });
  const add = (label: string, knownMm: number | null): void => {
    addAnnotation(
      remeasured({
        uid: newUid(),
        kind,
        seriesInstanceUid: frame.instance.seriesInstanceUid,
        sopInstanceUid: frame.instance.sopInstanceUid,
        frameNumber: frame.frameNumber,
        points,
        controls: kind === 'spline' || kind === 'livewire' ? points : null,
        label,
        isHidden: false,
        textAt: null,
        values: [],
        spacing: null,
        knownMm,
      }),
    );
    if (kind === 'calibration') remeasureInstance(frame.instance.sopInstanceUid);
  };
  if (kind === 'arrow') ask('text', (text) => text && add(text, null));
  else if (kind === 'calibration')
    ask('length', (text) => {
      const knownMm = Number((text ?? '').replace(',', '.'));
      if (knownMm > 0 && Number.isFinite(knownMm)) add('', knownMm);
    });
  else add('', null);
}

/** Moves the selected mark, or only its last point, by whole image pixels. */
export function nudge([dx, dy]: Point2, isLastPointOnly: boolean): void {
  const { items, selected } = useAnnotations.getState();
  const found = items.find(({ uid }) => uid === selected);
  if (!found) return;
  const move = (points: Point2[]): Point2[] =>
    points.map(([x, y], index) =>
      isLastPointOnly && index !== points.length - 1 ? [x, y] : [x + dx, y + dy],
    );
  updateAnnotation(
    found.uid,
    remeasured({ ...found, points: move(found.points), controls: found.controls && move(found.controls) }),
  );
  if (found.kind === 'calibration') remeasureInstance(found.sopInstanceUid);
}

export function removeSelected(): void {
  const { selected, items } = useAnnotations.getState();
  const found = items.find(({ uid }) => uid === selected);
  if (!found) return;
  removeAnnotation(found.uid);
  if (found.kind === 'calibration') remeasureInstance(found.sopInstanceUid);
}

/**
 * Makes marks of a report the reader's own: measured again, under names of their own. What was drawn in space is copied
 * to the images in whose plane it lies, those of the active viewport before others.
 */
export function adopt({ marks, shapes }: Pick<MeasurementDocument, 'marks' | 'shapes'>): void {
  const { displaySets, panes, active } = useViewer.getState();
  const copies = shapes.flatMap((shape) =>
    copiesOf(placedAmong(shape, displaySets), panes[active].displaySetId),
  );
  addAnnotations([...marks.map(fromReport), ...copies].map((mark) => remeasured({ ...mark, uid: newUid() })));
}
