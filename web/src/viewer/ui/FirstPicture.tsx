/**
 * What a viewport shows before the renderer has drawn: the same picture, drawn by the processor. The renderer's code and
 * its start on the GPU take longer than the first frame, so the reader sees the frame, and can scroll and window, before.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import type { Frame } from '../data/frames';
import type { Size } from '../data/orientation';
import { mark } from '../data/timing';
import { type Values, valuesEarly } from '../data/values';
import { notePainted } from '../displayed/displayed';
import { geometryOf } from '../engine/geometry';
import { automaticOf, chosenVoi, isMonochrome1 } from '../lut/choice';
import { drawPlain } from '../lut/plain';
import { changePane, type PaneId, useViewer } from '../state/store';
import classes from './Pane.module.css';

interface Loaded {
  frame: Frame;
  index: number;
  values: Values;
}

function useValues(stack: StackDisplaySet, index: number): Loaded | null {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  useEffect(() => {
    const frame = stack.frames[index];
    if (!frame) return undefined;
    let isGone = false;
    valuesEarly(frame)
      .then((values) => {
        if (!isGone) setLoaded({ frame, index, values });
      })
      // Why it cannot be shown is told once the renderer asks for it.
      .catch(() => undefined);
    return () => {
      isGone = true;
    };
  }, [stack, index]);
  return loaded;
}

function useSize(canvas: React.RefObject<HTMLCanvasElement | null>): Size | null {
  const [size, setSize] = useState<Size | null>(null);
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [canvas]);
  return size;
}

export function FirstPicture({ id, stack }: { id: PaneId; stack: StackDisplaySet }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pane = useViewer((state) => state.panes[id]);
  const loaded = useValues(stack, pane.index);
  const size = useSize(canvas);
  const { presentation, voi, isInverted } = pane;
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    const geometry = loaded && geometryOf(loaded.frame);
    if (!element || !context || !loaded || !geometry || !size || size.width < 2 || size.height < 2)
      return undefined;
    const { frame, index, values } = loaded;
    const shownVoi = chosenVoi(voi, frame, () => automaticOf(stack.id, frame, values.data));
    const ratio = window.devicePixelRatio || 1;
    element.width = Math.round(size.width * ratio);
    element.height = Math.round(size.height * ratio);
    const picture = context.createImageData(element.width, element.height);
    drawPlain(picture.data, picture, ratio, values, {
      geometry,
      presentation,
      voi: shownVoi,
      isInverted: isInverted !== isMonochrome1(frame),
    });
    context.putImageData(picture, 0, 0);
    changePane(id, { shown: index, shownVoi });
    mark('firstImage');
    // Painted next, unless another picture takes its place before.
    const painting = requestAnimationFrame(() => notePainted(id, frame));
    return () => cancelAnimationFrame(painting);
  }, [id, stack, loaded, size, presentation, voi, isInverted]);
  return <canvas ref={canvas} className={classes.first} data-first-picture={loaded !== null} aria-hidden />;
}
