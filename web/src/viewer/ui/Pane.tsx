import { Loader } from '@mantine/core';
import { type DragEvent, type RefObject, useEffect, useRef, useState } from 'react';
import { type Geometry, panned, type Size, zoomedAt } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import { useTexts } from '../i18n';
import { dragged } from '../lut/voi';
import {
  changePane,
  displaySetOf,
  type PaneId,
  PANES,
  scrollBy,
  stackOf,
  toggleMaximised,
  useViewer,
} from '../state/store';
import { useDrawn } from '../state/drawn';
import { useSpace } from '../state/space';
import { BRUSH_STEP, resizeBrush } from '../segments/draft';
import { SegmentLayer } from '../segments/SegmentLayer';
import { action } from '../tools/actions';
import { StudyRibbon } from '../priors/StudyRibbon';
import { LazyRendering } from '../rendering/LazyRendering';
import { useRendering } from '../rendering/state';
import { marksIfLoaded } from '../tools/annotations/loading';
import { listenToGestures } from '../tools/gestures';
import { engineIfLoaded, loadEngine } from '../tools/withEngine';
import { CineBar } from './CineBar';
import { FailureText } from './FailureText';
import { FirstPicture } from './FirstPicture';
import { Layers } from './Layers';
import { ObjectView } from './ObjectView';
import { Overlay } from './Overlay';
import classes from './Pane.module.css';
import { SpaceLayer } from './SpaceLayer';
import { StackSlider } from './StackSlider';
import { draggedItem, putDown } from './dragging';

interface PaneProps {
  id: PaneId;
  isReady: boolean;
  isNarrow: boolean;
  isOnly: boolean;
}

/** How much a window changes for a drag over the whole viewport: the width it had, at least this. */
const LEAST_WINDOW_CHANGE = 32;

/** Pointers on the pictures' element are turned into changes of the state, before and after the renderer is here. */
function useGestures(
  id: PaneId,
  element: RefObject<HTMLDivElement | null>,
  onHover: (point: Point2 | null) => void,
): void {
  useEffect(() => {
    const target = element.current;
    if (!target) return undefined;
    const place = (): { geometry: Geometry; size: Size } | null => {
      const state = useViewer.getState();
      const { shown, index } = state.panes[id];
      const frame = stackOf(state, id)?.frames[shown ?? index];
      const geometry = frame && geometryOf(frame);
      return geometry ? { geometry, size: { width: target.clientWidth, height: target.clientHeight } } : null;
    };
    return listenToGestures(target, {
      tool: () => useViewer.getState().tool,
      activate: () => {
        if (useViewer.getState().active !== id) useViewer.setState({ active: id });
      },
      isOnMark: (point) => marksIfLoaded()?.isOnMark(id, point) ?? false,
      scroll: (steps) => scrollBy(id, steps),
      window: (dx, dy) => {
        const { voi: choice, shownVoi } = useViewer.getState().panes[id];
        const voi = choice.kind === 'set' ? choice.voi : shownVoi;
        if (!voi) return;
        const start = dragged(voi, 0, 0);
        const perPixel = Math.max(LEAST_WINDOW_CHANGE, start.width) / 400;
        // Down is brighter: the centre falls. To the right the window widens.
        const step = start.shape === 'LINEAR' ? Math.max(1, Math.round(perPixel)) : perPixel;
        changePane(id, { voi: { kind: 'set', voi: dragged(voi, -dy * step, dx * step), name: null } });
      },
      pan: (dx, dy) => {
        const at = place();
        if (at)
          changePane(id, ({ presentation }) => ({
            presentation: panned(at.geometry, presentation, at.size, [dx, dy]),
          }));
      },
      zoom: (factor, anchor) => {
        const at = place();
        if (at)
          changePane(id, ({ presentation }) => ({
            presentation: zoomedAt(at.geometry, presentation, at.size, factor, anchor),
          }));
      },
      paint: (phase, point) => {
        const { tool } = useViewer.getState();
        void import('../segments/brushes').then(({ startStroke, continueStroke, endStroke, fillAt }) => {
          if (phase === 'end') endStroke();
          else if (tool !== 'fill')
            (phase === 'start' ? startStroke : continueStroke)(id, point, tool === 'eraser');
          else if (phase === 'start') fillAt(id, point);
        });
      },
      resizeBrush: (steps) => resizeBrush(BRUSH_STEP ** steps),
      maximise: () => toggleMaximised(id),
      thumb: (choice) => {
        if (choice !== 'none') action(choice).run();
      },
      hover: onHover,
      pixelsPerImage: () => {
        const count = stackOf(useViewer.getState(), id)?.frames.length ?? 1;
        return Math.min(24, Math.max(2, target.clientHeight / count / 1.5));
      },
    });
  }, [id, element, onHover]);
}

/** The renderer draws into the pictures' element once it is here. */
function useRenderer(id: PaneId, element: RefObject<HTMLDivElement | null>, isReady: boolean): void {
  useEffect(() => {
    const target = element.current;
    if (!isReady || !target) return undefined;
    let isGone = false;
    let release: (() => void) | null = null;
    void loadEngine().then(({ session }) => {
      if (!isGone) release = session.attach(id, target);
    });
    return () => {
      isGone = true;
      release?.();
    };
  }, [id, element, isReady]);
}

export function Pane({ id, isReady, isNarrow, isOnly }: PaneProps) {
  const t = useTexts();
  const pane = useViewer((state) => state.panes[id]);
  const displaySet = useViewer((state) => displaySetOf(state, id));
  const isRendered = useRendering(({ sourceId, pane: where }) => where === id && sourceId === displaySet?.id);
  const isActive = useViewer((state) => state.active === id);
  const studyKind = useViewer((state) => state.study.kind);
  const hasStacks = useViewer((state) =>
    Object.values(state.displaySets).some((set) => set.kind === 'stack'),
  );
  const isStillOpening = useViewer(
    (state) =>
      state.study.kind === 'loading' ||
      state.series.some(({ state: { kind } }) => kind === 'waiting' || kind === 'loading'),
  );
  const [hover, setHover] = useState<Point2 | null>(null);
  const [isUnderDrag, setIsTarget] = useState(false);
  const isTarget = useSpace(({ carried }) => carried?.target === id) || isUnderDrag;
  const picture = useRef<HTMLDivElement>(null);
  useGestures(id, picture, setHover);
  useRenderer(id, picture, isReady);
  // With the renderer at hand there is nothing to stand in for.
  const [isEarly] = useState(() => engineIfLoaded() === null);
  const isDrawn = useDrawn((drawn) => drawn[id] ?? false);
  const section = useRef<HTMLElement>(null);
  const { status } = pane;

  // The focus follows the active viewport, so that what is spoken and what is marked agree; on opening it stays put.
  const wasActive = useRef(isActive);
  useEffect(() => {
    if (isActive && !wasActive.current && document.activeElement?.closest('[data-pane]')) {
      section.current?.focus({ preventScroll: true });
    }
    wasActive.current = isActive;
  }, [isActive]);

  const handleDrop = (event: DragEvent): void => {
    event.preventDefault();
    setIsTarget(false);
    const item = draggedItem(event);
    if (item) void putDown(id, item);
  };

  const number = PANES.indexOf(id) + 1;
  const hasFirst = isEarly && !isDrawn && displaySet?.kind === 'stack' && status.kind !== 'failed';
  const isWaiting = status.kind === 'loading' && !(hasFirst && pane.shown === pane.index);
  const isLoading = isWaiting || (status.kind === 'empty' && studyKind === 'loading');
  return (
    <section
      ref={section}
      className={classes.pane}
      data-pane={id}
      data-active={(isActive && !isOnly) || undefined}
      data-target={isTarget || undefined}
      data-status={status.kind}
      aria-label={[t('pane.label', { number }), displaySet?.description].filter(Boolean).join(': ')}
      tabIndex={0}
      onFocus={() => useViewer.setState({ active: id })}
      onDragOver={(event) => {
        event.preventDefault();
        setIsTarget(true);
      }}
      onDragLeave={() => setIsTarget(false)}
      onDrop={handleDrop}
    >
      <div ref={picture} className={classes.picture} data-viewport={id} />
      {hasFirst && <FirstPicture key={displaySet.id} id={id} stack={displaySet} />}
      {displaySet?.kind === 'stack' && status.kind !== 'failed' && (
        <>
          <Layers id={id} stack={displaySet} />
          <SegmentLayer id={id} stack={displaySet} hover={hover} />
          <SpaceLayer id={id} stack={displaySet} section={section} hover={hover} />
          <Overlay id={id} stack={displaySet} hover={hover} isNarrow={isNarrow} />
          {displaySet.frames.length > 1 && <StackSlider id={id} stack={displaySet} />}
          {displaySet.isMultiFrame && displaySet.frames.length > 1 && <CineBar id={id} stack={displaySet} />}
          {!displaySet.isMultiFrame && pane.isPlaying && <CineBar id={id} stack={displaySet} />}
        </>
      )}
      {isRendered && <LazyRendering />}
      <StudyRibbon id={id} />
      {displaySet?.kind === 'object' && <ObjectView id={id} displaySet={displaySet} />}
      {status.kind === 'failed' && (
        <FailureText
          failure={status.failure}
          onRetry={() =>
            changePane(id, ({ attempt }) => ({ attempt: attempt + 1, status: { kind: 'loading' } }))
          }
        />
      )}
      {isLoading && (
        <div className={classes.loading} role="status" aria-label={t('pane.loading')}>
          <Loader size="sm" color="gray" />
        </div>
      )}
      {status.kind === 'empty' && studyKind === 'ready' && (
        <div className={classes.empty}>
          {hasStacks || isStillOpening ? (
            <p>{t('pane.empty')}</p>
          ) : (
            <>
              <p className={classes.strong}>{t('study.noImages')}</p>
              <p>{t('study.noImagesText')}</p>
            </>
          )}
        </div>
      )}
    </section>
  );
}
