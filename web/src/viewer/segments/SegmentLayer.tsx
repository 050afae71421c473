import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import { imageToCanvas } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import type { Rgb } from '../overlays/colour';
import { useObjects } from '../state/objects';
import { isPainting, type PaneId, useViewer } from '../state/store';
import { maskOf, useSegments } from './draft';
import classes from './SegmentLayer.module.css';

function pictureOf(
  mask: Uint8Array,
  columns: number,
  rows: number,
  colours: Map<number, Rgb>,
): OffscreenCanvas {
  const canvas = new OffscreenCanvas(columns, rows);
  const picture = new ImageData(columns, rows);
  mask.forEach((value, at) => {
    const colour = value > 0 ? colours.get(value) : undefined;
    if (!colour) return;
    picture.data.set(colour, 4 * at);
    picture.data[4 * at + 3] = 255;
  });
  canvas.getContext('2d')?.putImageData(picture, 0, 0);
  return canvas;
}

/** The segmentation that is being drawn, and the outline of the brush, over the picture of a viewport. */
export function SegmentLayer({
  id,
  stack,
  hover,
}: {
  id: PaneId;
  stack: StackDisplaySet;
  hover: Point2 | null;
}) {
  const isDrawn = useSegments(({ draft }) => draft?.stackId === stack.id);
  return isDrawn ? <Drawn id={id} stack={stack} hover={hover} /> : null;
}

function Drawn({ id, stack, hover }: { id: PaneId; stack: StackDisplaySet; hover: Point2 | null }) {
  const { ref: box, width, height } = useElementSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useViewer((viewer) => viewer.panes[id].shown);
  const presentation = useViewer((viewer) => viewer.panes[id].presentation);
  const tool = useViewer((viewer) => viewer.tool);
  const opacity = useObjects((objects) => objects.opacity);
  const segments = useSegments(({ draft }) => draft?.segments);
  const radius = useSegments((state) => state.radius);
  const revision = useSegments((state) => state.revision);
  const frame = shown === null ? undefined : stack.frames[shown];

  useEffect(() => {
    const target = canvas.current;
    const context = target?.getContext('2d');
    const geometry = frame && geometryOf(frame);
    if (!target || !context || !geometry || shown === null) return;
    const ratio = window.devicePixelRatio || 1;
    target.width = Math.round(width * ratio);
    target.height = Math.round(height * ratio);
    const mask = maskOf(shown);
    if (!mask || width < 2 || height < 2) return;
    const { columns, rows } = geometry;
    const at = (point: Point2): Point2 => imageToCanvas(geometry, presentation, { width, height }, point);
    const [corner, right, down] = [at([-0.5, -0.5]), at([0.5, -0.5]), at([-0.5, 0.5])];
    context.setTransform(
      ratio * (right[0] - corner[0]),
      ratio * (right[1] - corner[1]),
      ratio * (down[0] - corner[0]),
      ratio * (down[1] - corner[1]),
      ratio * corner[0],
      ratio * corner[1],
    );
    context.imageSmoothingEnabled = false;
    context.globalAlpha = opacity;
    const colours = new Map((segments ?? []).map(({ number, colour }) => [number, colour]));
    context.drawImage(pictureOf(mask, columns, rows, colours), 0, 0);
  }, [frame, shown, presentation, width, height, opacity, segments, revision]);

  const geometry = frame && geometryOf(frame);
  const size = { width, height };
  const place = (point: Point2): Point2 =>
    geometry ? imageToCanvas(geometry, presentation, size, point) : [0, 0];
  const [from, to] = [place([0, 0]), place([1, 0])];
  const onScreen = radius * Math.hypot(to[0] - from[0], to[1] - from[1]);
  const hasBrush = hover !== null && isPainting(tool) && tool !== 'fill';
  return (
    <div ref={box} className={classes.layer} aria-hidden>
      <canvas ref={canvas} className={classes.canvas} />
      {hasBrush && (
        <svg className={classes.canvas}>
          <circle className={classes.brush} cx={hover[0]} cy={hover[1]} r={onScreen} />
        </svg>
      )}
    </div>
  );
}
