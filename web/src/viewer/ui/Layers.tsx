import { useElementSize } from '@mantine/hooks';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import { geometryOf } from '../engine/geometry';
import { type Part, load, partsOn } from '../overlays/parts';
import { paintGraphics, paintParts } from '../overlays/painting';
import {
  areaOfState,
  graphicsOfState,
  isFor,
  presentationOfArea,
  type PresentationStateObject,
} from '../overlays/presentationState';
import { findState, segmentationsOf, structuresOf } from '../overlays/registry';
import { useObjects } from '../state/objects';
import { type PaneId, useViewer } from '../state/store';
import classes from './Layers.module.css';

/** The parts over a frame; drawn again whenever one more of them has come. */
function useParts(
  frame: Frame | undefined,
  state: PresentationStateObject | null,
): [readonly Part[], number] {
  const objects = useObjects();
  const displaySets = useViewer((viewer) => viewer.displaySets);
  const [version, setVersion] = useState(0);
  const parts = useMemo(() => {
    if (!frame) return [];
    const isShown = ({ sopInstanceUid }: { sopInstanceUid: string }): boolean =>
      objects.shown.includes(sopInstanceUid);
    return partsOn(
      frame,
      {
        segmentations: segmentationsOf(displaySets).filter(isShown),
        structures: structuresOf(displaySets).filter(isShown),
        state,
      },
      objects,
    );
  }, [frame, state, objects, displaySets]);
  useEffect(() => {
    let isGone = false;
    for (const part of parts) {
      load(part).then(
        () => {
          if (!isGone) setVersion((before) => before + 1);
        },
        // What cannot be decoded is left out; its series says why when it is opened.
        () => undefined,
      );
    }
    return () => {
      isGone = true;
    };
  }, [parts]);
  return [parts, version];
}

/** Segments, contours, shutters, overlays, and the graphics of a presentation state, over the picture of a viewport. */
export function Layers({ id, stack }: { id: PaneId; stack: StackDisplaySet }) {
  const { ref: box, width, height } = useElementSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useViewer((viewer) => viewer.panes[id].shown);
  const presentation = useViewer((viewer) => viewer.panes[id].presentation);
  const applied = useObjects((objects) => objects.applied[id]);
  const frame = shown === null ? undefined : stack.frames[shown];
  const found = findState(applied);
  const state = found && frame && isFor(found, frame) ? found : null;
  const [parts, version] = useParts(frame, state);

  useEffect(() => {
    const target = canvas.current;
    const context = target?.getContext('2d');
    const geometry = frame && geometryOf(frame);
    if (!target || !context || !frame || !geometry) return;
    const ratio = window.devicePixelRatio || 1;
    target.width = Math.round(width * ratio);
    target.height = Math.round(height * ratio);
    if (width < 2 || height < 2) return;
    const view = { geometry, presentation, size: { width, height }, ratio };
    const counts = paintParts(context, parts, view);
    if (state) {
      const area = areaOfState(state, frame);
      const placed = presentationOfArea(area, state.orientation, geometry, view.size);
      paintGraphics(context, graphicsOfState(state, frame), view, area, placed);
    }
    target.dataset.segments = [...counts].map(([number, count]) => `${number}:${count}`).join(' ');
  }, [frame, presentation, width, height, parts, state, version]);

  return (
    <div ref={box} className={classes.layers} aria-hidden>
      {(parts.length > 0 || state !== null) && (
        <canvas ref={canvas} className={classes.canvas} data-layers={id} />
      )}
    </div>
  );
}
