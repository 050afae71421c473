/**
 * Pointer, wheel and touch on a viewport, told in image terms.
 *
 * Mouse: the left button uses the chosen tool; what the others and the wheel do a person chooses (with Ctrl, as a
 * trackpad's pinch arrives, the wheel zooms). Touch: one finger uses the chosen tool, two fingers pan and zoom together.
 */
import type { Point2 } from '../data/vectors';
import { mouse, type ThumbChoice } from '../prefs/mouse';
import { isMarking, isPainting, type Navigation, type Tool } from '../state/store';

export interface GestureHandlers {
  tool: () => Tool;
  activate: () => void;
  /** Whether a mark lies under the point, which is then moved and not the image. */
  isOnMark: (point: Point2) => boolean;
  /** Whole images; positive is forward. */
  scroll: (steps: number) => void;
  /** Screen pixels dragged since the last call. */
  window: (dx: number, dy: number) => void;
  pan: (dx: number, dy: number) => void;
  zoom: (factor: number, anchor: Point2) => void;
  /** The hand draws a segment. */
  paint: (phase: 'start' | 'move' | 'end', point: Point2) => void;
  resizeBrush: (steps: number) => void;
  maximise: () => void;
  /** A button under the thumb. */
  thumb: (choice: ThumbChoice) => void;
  hover: (point: Point2 | null) => void;
  /** Screen pixels of dragging that move one image on. */
  pixelsPerImage: () => number;
}

const WHEEL_PIXELS_PER_STEP = 40;
const DOUBLE_TAP_MS = 300;
const TAP_DISTANCE = 12;
const ZOOM_PER_PIXEL = 1.008;

type Drag = Navigation | 'paint' | null;

export function listenToGestures(element: HTMLElement, handlers: GestureHandlers): () => void {
  const pointers = new Map<number, Point2>();
  let drag: Drag = null;
  let dragAnchor: Point2 = [0, 0];
  let scrollRest = 0;
  let wheelRest = 0;
  let lastTap = { at: 0, point: [0, 0] as Point2 };
  let travelled = 0;

  const pointOf = (event: MouseEvent): Point2 => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const dragOf = (event: PointerEvent): Drag => {
    if (event.pointerType === 'touch' || event.button === 0) {
      const tool = handlers.tool();
      // What is drawn lies over the marks.
      if (isPainting(tool)) return 'paint';
      return isMarking(tool) || handlers.isOnMark(pointOf(event)) ? null : tool;
    }
    if (event.button === 1) return mouse().middle;
    return event.button === 2 ? mouse().right : null;
  };

  const withTool = (tool: Navigation, dx: number, dy: number): void => {
    if (tool === 'window') handlers.window(dx, dy);
    else if (tool === 'pan') handlers.pan(dx, dy);
    else if (tool === 'zoom') handlers.zoom(ZOOM_PER_PIXEL ** -dy, dragAnchor);
    else if (tool === 'scroll') {
      const perImage = handlers.pixelsPerImage();
      scrollRest += dy;
      const steps = Math.trunc(scrollRest / perImage);
      scrollRest -= steps * perImage;
      if (steps !== 0) handlers.scroll(steps);
    }
  };

  const handleDown = (event: PointerEvent): void => {
    const point = pointOf(event);
    handlers.activate();
    const thumb = event.button === 3 ? mouse().back : event.button === 4 ? mouse().forward : 'none';
    if (thumb !== 'none') {
      event.preventDefault();
      handlers.thumb(thumb);
      return;
    }
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, point);
    travelled = 0;
    if (pointers.size === 1) {
      drag = dragOf(event);
      dragAnchor = point;
      scrollRest = 0;
      if (drag === 'paint') handlers.paint('start', point);
    } else if (drag === 'paint') {
      // A second finger: the picture is moved, and the stroke ends.
      handlers.paint('end', point);
      drag = null;
    }
    if (event.button === 1) event.preventDefault();
  };

  const twoFingers = (id: number, to: Point2): void => {
    const other = [...pointers.entries()].find(([key]) => key !== id)?.[1];
    const from = pointers.get(id);
    if (!other || !from) return;
    const middle = (a: Point2): Point2 => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
    const apart = (a: Point2): number => Math.hypot(a[0] - other[0], a[1] - other[1]);
    const [before, after] = [middle(from), middle(to)];
    handlers.pan(after[0] - before[0], after[1] - before[1]);
    if (apart(from) > 4 && apart(to) > 4) handlers.zoom(apart(to) / apart(from), after);
  };

  const handleMove = (event: PointerEvent): void => {
    const point = pointOf(event);
    const from = pointers.get(event.pointerId);
    if (!from) {
      if (event.pointerType !== 'touch') handlers.hover(point);
      return;
    }
    const [dx, dy] = [point[0] - from[0], point[1] - from[1]];
    travelled += Math.hypot(dx, dy);
    if (pointers.size >= 2) twoFingers(event.pointerId, point);
    else if (drag === 'paint') handlers.paint('move', point);
    else if (drag) withTool(drag, dx, dy);
    pointers.set(event.pointerId, point);
    if (event.pointerType !== 'touch') handlers.hover(point);
  };

  const handleUp = (event: PointerEvent): void => {
    const point = pointOf(event);
    const wasAlone = pointers.size === 1;
    pointers.delete(event.pointerId);
    if (drag === 'paint') handlers.paint('end', point);
    // Also for the finger that stays after a pinch: it must not jump into the tool.
    drag = null;
    if (event.pointerType !== 'touch' || !wasAlone || travelled > TAP_DISTANCE) return;
    const isSecond =
      event.timeStamp - lastTap.at < DOUBLE_TAP_MS &&
      Math.hypot(point[0] - lastTap.point[0], point[1] - lastTap.point[1]) < 2 * TAP_DISTANCE;
    lastTap = isSecond ? { at: 0, point } : { at: event.timeStamp, point };
    if (isSecond && !isMarking(handlers.tool()) && !isPainting(handlers.tool())) handlers.maximise();
  };

  const handleWheel = (event: WheelEvent): void => {
    event.preventDefault();
    handlers.activate();
    const { wheel, isWheelReversed } = mouse();
    if (event.altKey && isPainting(handlers.tool())) {
      handlers.resizeBrush(-Math.sign(event.deltaY));
      return;
    }
    if (event.ctrlKey || event.metaKey || wheel === 'zoom') {
      handlers.zoom(ZOOM_PER_PIXEL ** (-event.deltaY * (event.deltaMode === 1 ? 16 : 1)), pointOf(event));
      return;
    }
    // A wheel's notch is one image, whatever the system calls it; a trackpad's small steps add up.
    const turned = isWheelReversed ? -event.deltaY : event.deltaY;
    const pixels = event.deltaMode === 1 ? turned * WHEEL_PIXELS_PER_STEP : turned;
    if (Math.abs(pixels) >= WHEEL_PIXELS_PER_STEP) {
      wheelRest = 0;
      handlers.scroll(Math.sign(pixels));
      return;
    }
    wheelRest += pixels;
    const steps = Math.trunc(wheelRest / WHEEL_PIXELS_PER_STEP);
    wheelRest -= steps * WHEEL_PIXELS_PER_STEP;
    if (steps !== 0) handlers.scroll(steps);
  };

  const handleLeave = (): void => handlers.hover(null);
  const handleDouble = (event: MouseEvent): void => {
    // A double click ends an outline; on a mark it belongs to the mark.
    const tool = handlers.tool();
    if (!isMarking(tool) && !isPainting(tool) && !handlers.isOnMark(pointOf(event))) handlers.maximise();
  };
  const prevent = (event: Event): void => event.preventDefault();
  // The browser would go back or forward in its history on the release of these buttons.
  const keepPage = (event: MouseEvent): void => {
    const { back, forward } = mouse();
    if ((event.button === 3 && back !== 'none') || (event.button === 4 && forward !== 'none'))
      event.preventDefault();
  };

  element.addEventListener('pointerdown', handleDown);
  element.addEventListener('pointermove', handleMove);
  element.addEventListener('pointerup', handleUp);
  element.addEventListener('pointercancel', handleUp);
  element.addEventListener('pointerleave', handleLeave);
  element.addEventListener('wheel', handleWheel, { passive: false });
  element.addEventListener('dblclick', handleDouble);
  element.addEventListener('mouseup', keepPage);
  element.addEventListener('contextmenu', prevent);
  return () => {
    element.removeEventListener('pointerdown', handleDown);
    element.removeEventListener('pointermove', handleMove);
    element.removeEventListener('pointerup', handleUp);
    element.removeEventListener('pointercancel', handleUp);
    element.removeEventListener('pointerleave', handleLeave);
    element.removeEventListener('wheel', handleWheel);
    element.removeEventListener('dblclick', handleDouble);
    element.removeEventListener('mouseup', keepPage);
    element.removeEventListener('contextmenu', prevent);
  };
}
