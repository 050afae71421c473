import { type RefObject, useEffect, useRef, useState } from 'react';
import {
  canvasToImage,
  imageToCanvas,
  imageToWorld,
  isMirrored,
  type Presentation,
  type Size,
} from '../data/orientation';
import { crossing, frameOfReferenceOf, isPlaced, worldToImage } from '../data/places';
import type { Derivation, PlaneName } from '../data/planes';
import { suvFactor, type SuvKind } from '../data/suv';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import type { Point2 } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import { useTexts } from '../i18n';
import { type Fusion, type SpaceState, useSpace } from '../state/space';
import { type PaneId, stackOf, useViewer, type ViewerState, visiblePanes } from '../state/store';
import { setWindowOfRegion } from '../tools/spatial';
import { engineIfLoaded } from '../tools/withEngine';
import classes from './SpaceLayer.module.css';

const MAGNIFIER_SIDE = 240;
const MAGNIFIER_FACTOR = 3;

const CAUGHT = ['region', 'magnify', 'crosshair'] as const;
type CaughtTool = (typeof CAUGHT)[number];
/** Pixels from a line at which it is taken hold of, and from the point in the middle, which moves instead. */
const LINE_REACH = 8;
const MIDDLE_REACH = 40;

interface Drag {
  tool: CaughtTool;
  isTurning?: boolean;
  from: Point2;
  to: Point2;
}

/**
 * The left button's drags of the tools that are drawn here. They are caught on their way down to the picture, whose own
 * gestures see nothing of them; its other buttons and the wheel stay as they are.
 */
function useDrag(id: PaneId, section: RefObject<HTMLElement | null>): Drag | null {
  const [drag, setDrag] = useState<Drag | null>(null);
  useEffect(() => {
    const target = section.current;
    if (!target) return undefined;
    let now: Drag | null = null;
    const set = (next: Drag | null): void => {
      now = next;
      setDrag(next);
    };
    const pointOf = (event: PointerEvent): Point2 => {
      const box = target.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const handleDown = (event: PointerEvent): void => {
      const { tool } = useViewer.getState();
      const isOnPicture = event.target instanceof Element && event.target.closest('[data-viewport]') !== null;
      const caught = CAUGHT.find((each) => each === tool);
      if (event.button !== 0 || !isOnPicture || !caught) return;
      event.stopPropagation();
      useViewer.setState({ active: id });
      const point = pointOf(event);
      const isTurning = caught === 'crosshair' && isOnLine(id, point);
      set({ tool: caught, from: point, to: point, isTurning });
      if (caught === 'crosshair' && !isTurning) void pointTo(id, point);
    };
    const handleMove = (event: PointerEvent): void => {
      if (!now) return;
      const point = pointOf(event);
      if (now.isTurning) turnBetween(id, now.to, point);
      else if (now.tool === 'crosshair') void pointTo(id, point);
      set({ ...now, to: point });
    };
    const handleUp = (event: PointerEvent): void => {
      if (!now) return;
      const { tool, from } = now;
      set(null);
      if (tool === 'region' && event.type === 'pointerup') void setWindowOfRegion(id, from, pointOf(event));
    };
    target.addEventListener('pointerdown', handleDown, { capture: true });
    window.addEventListener('pointermove', handleMove);
    window.addEventListener('pointerup', handleUp);
    window.addEventListener('pointercancel', handleUp);
    return () => {
      target.removeEventListener('pointerdown', handleDown, { capture: true });
      window.removeEventListener('pointermove', handleMove);
      window.removeEventListener('pointerup', handleUp);
      window.removeEventListener('pointercancel', handleUp);
    };
  }, [id, section]);
  return drag;
}

/** The shared point on the screen of a viewport. */
function centerOnScreen(id: PaneId): Point2 | null {
  const { planes } = useSpace.getState();
  const view = engineIfLoaded()?.session.views.get(id);
  const geometry = view?.geometry;
  if (!planes || !view || !geometry) return null;
  const { presentation } = useViewer.getState().panes[id];
  return imageToCanvas(geometry, presentation, view.size, worldToImage(geometry, planes.center));
}

/** Whether a line of the other planes is taken hold of, away from the point where they meet. */
function isOnLine(id: PaneId, [x, y]: Point2): boolean {
  const state = useViewer.getState();
  const view = engineIfLoaded()?.session.views.get(id);
  const center = centerOnScreen(id);
  const geometry = view?.geometry;
  if (!view || !geometry || !center || Math.hypot(x - center[0], y - center[1]) < MIDDLE_REACH) return false;
  const { presentation } = state.panes[id];
  return linesOf(state, useSpace.getState(), id).some(({ points }) => {
    const [[x1, y1], [x2, y2]] = points.map((point) =>
      imageToCanvas(geometry, presentation, view.size, point),
    ) as [Point2, Point2];
    const size = Math.hypot(x2 - x1, y2 - y1);
    return size > 0 && Math.abs((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / size <= LINE_REACH;
  });
}

async function pointTo(id: PaneId, point: Point2): Promise<void> {
  const { pointAt } = await import('../engine/planes');
  const view = engineIfLoaded()?.session.views.get(id);
  const geometry = view?.geometry;
  if (!view || !geometry) return;
  const { presentation } = useViewer.getState().panes[id];
  pointAt(id, imageToWorld(geometry, canvasToImage(geometry, presentation, view.size, point)));
}

/** Turns the other planes by the angle that the pointer has gone about the shared point. */
function turnBetween(id: PaneId, from: Point2, to: Point2): void {
  const center = centerOnScreen(id);
  if (!center) return;
  const angle = ([x, y]: Point2): number => Math.atan2(y - center[1], x - center[0]);
  const radians = angle(to) - angle(from);
  const isMirroredHere = isMirrored(useViewer.getState().panes[id].presentation.orientation);
  void import('../engine/planes').then(({ turnPlanes }) =>
    turnPlanes(id, isMirroredHere ? -radians : radians),
  );
}

interface SpaceLayerProps {
  id: PaneId;
  stack: StackDisplaySet;
  section: RefObject<HTMLElement | null>;
  hover: Point2 | null;
}

/** What is drawn over a picture about where it lies: reference lines, the region being chosen, the magnifier. */
export function SpaceLayer({ id, stack, section, hover }: SpaceLayerProps) {
  const drag = useDrag(id, section);
  const pane = useViewer((state) => state.panes[id]);
  const frame = pane.shown === null ? undefined : stack.frames[pane.shown];
  return (
    <>
      {frame && <FusionLayer id={id} stack={stack} frame={frame} section={section} />}
      {frame && <Lines id={id} frame={frame} presentation={pane.presentation} section={section} />}
      {frame && hover && <UptakeText id={id} stack={stack} frame={frame} hover={hover} />}
      {stack.derived && <PlaneLabel derived={stack.derived} />}
      {drag?.tool === 'region' && <Region from={drag.from} to={drag.to} />}
      {drag?.tool === 'magnify' && <Magnifier id={id} at={drag.to} />}
    </>
  );
}

export interface ReferenceLine {
  /** The plane whose line it is; null for the image in the active viewport. */
  plane: PlaneName | null;
  /** In pixels of the image that it crosses. */
  points: [Point2, Point2];
}

/** Where other images cut the one in a viewport: that of the active viewport, and the planes that share a point. */
export function linesOf(state: ViewerState, space: SpaceState, id: PaneId): ReferenceLine[] {
  const frameIn = (pane: PaneId): Frame | undefined =>
    stackOf(state, pane)?.frames[state.panes[pane].shown ?? -1];
  const frame = frameIn(id);
  const geometry = frame && isPlaced(frame) ? geometryOf(frame) : null;
  const uid = frame ? frameOfReferenceOf(frame) : '';
  if (!geometry || uid === '') return [];
  const isPlane = stackOf(state, id)?.derived !== undefined;
  const visible = visiblePanes(state);
  const planes = isPlane && space.planes ? Object.values(space.planes.panes) : [];
  const others = new Set([...(space.hasReferenceLines ? [state.active] : []), ...planes]);
  return [...others].flatMap((other): ReferenceLine[] => {
    const source = visible.includes(other) && other !== id ? frameIn(other) : undefined;
    const otherGeometry = source && isPlaced(source) ? geometryOf(source) : null;
    if (!source || !otherGeometry || frameOfReferenceOf(source) !== uid) return [];
    const points = crossing(geometry, otherGeometry);
    return points ? [{ plane: stackOf(state, other)?.derived?.plane ?? null, points }] : [];
  });
}

function useSize(section: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const target = section.current;
    if (!target) return undefined;
    const observer = new ResizeObserver(() =>
      setSize({ width: target.clientWidth, height: target.clientHeight }),
    );
    observer.observe(target);
    return () => observer.disconnect();
  }, [section]);
  return size;
}

const CURSOR_ARM = 9;

function Lines(props: {
  id: PaneId;
  frame: Frame;
  presentation: Presentation;
  section: RefObject<HTMLElement | null>;
}) {
  const { id, frame, presentation } = props;
  const space = useSpace();
  // A text, because the points are new with every look at the state.
  const found = useViewer((state) => JSON.stringify(linesOf(state, space, id)));
  const size = useSize(props.section);
  const geometry = geometryOf(frame);
  if (!geometry || size.width < 2) return null;
  const toScreen = (point: Point2): Point2 => imageToCanvas(geometry, presentation, size, point);
  const { cursor } = space;
  const isCursorHere = cursor !== null && cursor.frameOfReferenceUid === frameOfReferenceOf(frame);
  const marked = isCursorHere ? toScreen(worldToImage(geometry, cursor.center)) : null;
  return (
    <svg className={classes.lines} aria-hidden>
      {(JSON.parse(found) as ReferenceLine[]).map(({ plane, points }) => {
        const [[x1, y1], [x2, y2]] = points.map(toScreen) as [Point2, Point2];
        return (
          <line
            key={plane ?? 'active'}
            className={classes.reference}
            data-role="reference-line"
            data-plane={plane ?? undefined}
            {...{ x1, y1, x2, y2 }}
          />
        );
      })}
      {marked && (
        <path
          className={classes.cursor}
          data-role="cursor"
          d={`M${marked[0] - CURSOR_ARM} ${marked[1]}h${2 * CURSOR_ARM}M${marked[0]} ${marked[1] - CURSOR_ARM}v${2 * CURSOR_ARM}`}
        />
      )}
    </svg>
  );
}

function PlaneLabel({ derived }: { derived: Derivation }) {
  const t = useTexts();
  const { plane, slab } = derived;
  const thickness =
    slab.thicknessMm > 0 ? ` · ${t(`planes.${slab.mode}`)} ${t('planes.mm', { mm: slab.thicknessMm })}` : '';
  return <p className={classes.label}>{`${t(`planes.${plane}`)}${thickness}`}</p>;
}

/** A PET series over a picture, in colours. */
function FusionLayer(props: {
  id: PaneId;
  stack: StackDisplaySet;
  frame: Frame;
  section: RefObject<HTMLElement | null>;
}) {
  const { id, stack, frame } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const fusion = useSpace((state) => state.fusion);
  const ready = useSpace((state) => state.fusionReady);
  const overlay = useViewer(({ displaySets }) => (fusion ? displaySets[fusion.overlayId] : undefined));
  const presentation = useViewer((state) => state.panes[id].presentation);
  const size = useSize(props.section);
  const [base] = overlay?.kind === 'stack' ? overlay.frames : [];
  const isOver =
    base !== undefined &&
    overlay?.id !== (stack.derived?.sourceId ?? stack.id) &&
    isPlaced(frame) &&
    frameOfReferenceOf(base) === frameOfReferenceOf(frame);
  const picture = useRef<{ key: string; data: ImageData } | null>(null);
  useEffect(() => {
    if (!isOver || !fusion || overlay?.kind !== 'stack') return undefined;
    let isGone = false;
    void import('../engine/fusion').then(({ fusedPicture, drawFused }) => {
      const target = canvas.current;
      if (isGone || !target) return;
      const key = `${frame.imageId} ${JSON.stringify(fusion)} ${ready}`;
      if (picture.current?.key !== key) {
        const data = fusedPicture(overlay, frame, fusion);
        picture.current = data && { key, data };
      }
      if (picture.current) drawFused(target, picture.current.data, frame, presentation, size);
    });
    return () => {
      isGone = true;
    };
  }, [isOver, fusion, overlay, frame, presentation, size, ready]);
  return isOver ? <canvas ref={canvas} className={classes.fusion} data-role="fusion" aria-hidden /> : null;
}

/** The standardised uptake under the pointer: of a PET image, and of one laid over another. */
function UptakeText(props: { id: PaneId; stack: StackDisplaySet; frame: Frame; hover: Point2 }) {
  const { id, stack, frame, hover } = props;
  const t = useTexts();
  const kind = useSpace((state) => state.suvKind);
  const fusion = useSpace((state) => state.fusion);
  const suv = uptakeAt(id, hover, stack, frame, fusion, kind);
  return suv === null ? null : (
    <p className={classes.uptake} data-role="suv">{`SUV ${t(`suv.${kind}`)} ${suv.toFixed(2)}`}</p>
  );
}

/** The SUV at a point of a viewport; null where there is none. */
export function uptakeAt(
  id: PaneId,
  point: Point2,
  stack: StackDisplaySet,
  frame: Frame,
  fusion: Fusion | null,
  kind: SuvKind,
): number | null {
  const session = engineIfLoaded()?.session;
  if (stack.modality === 'PT') {
    const value = session?.probe(id, point)?.values[0];
    const factor = suvFactor(frame, kind);
    return value !== undefined && factor.kind === 'factor' ? value * factor.factor : null;
  }
  const overlay = fusion ? useViewer.getState().displaySets[fusion.overlayId] : undefined;
  const view = session?.views.get(id);
  const geometry = view?.geometry;
  const [base] = overlay?.kind === 'stack' ? overlay.frames : [];
  if (!session || overlay?.kind !== 'stack' || !base || !view || !geometry) return null;
  if (frameOfReferenceOf(base) !== frameOfReferenceOf(frame)) return null;
  const { presentation } = useViewer.getState().panes[id];
  const world = imageToWorld(geometry, canvasToImage(geometry, presentation, view.size, point));
  const value = session.valueOfVolume(overlay.id, world);
  const factor = suvFactor(base, kind);
  return value !== null && factor.kind === 'factor' ? value * factor.factor : null;
}

function Region({ from, to }: { from: Point2; to: Point2 }) {
  return (
    <div
      className={classes.region}
      style={{
        left: Math.min(from[0], to[0]),
        top: Math.min(from[1], to[1]),
        width: Math.abs(to[0] - from[0]),
        height: Math.abs(to[1] - from[1]),
      }}
    />
  );
}

function Magnifier({ id, at }: { id: PaneId; at: Point2 }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [x, y] = at;
  useEffect(() => {
    const session = engineIfLoaded()?.session;
    const view = session?.views.get(id);
    const look = session?.lookShown(id);
    if (!view || !look) return;
    void import('../engine/magnify').then(({ magnified }) => {
      const picture = magnified(view, look, [x, y], MAGNIFIER_SIDE, MAGNIFIER_FACTOR);
      const target = canvas.current;
      if (!picture || !target) return;
      [target.width, target.height] = [picture.width, picture.height];
      target.getContext('2d')?.putImageData(picture, 0, 0);
    });
  }, [id, x, y]);
  return (
    <canvas
      ref={canvas}
      className={classes.magnifier}
      data-role="magnifier"
      style={{
        left: x - MAGNIFIER_SIDE / 2,
        top: y - MAGNIFIER_SIDE / 2,
        width: MAGNIFIER_SIDE,
        height: MAGNIFIER_SIDE,
      }}
      aria-hidden
    />
  );
}
