import { type PointerEvent, useRef } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import { type PaneId, setIndex, useViewer } from '../state/store';
import classes from './StackSlider.module.css';

/** Where one is in the stack, to drag. Keys do the same on the viewport, so this is for the pointer alone. */
export function StackSlider({ id, stack }: { id: PaneId; stack: StackDisplaySet }) {
  const index = useViewer((state) => state.panes[id].index);
  const loaded = useViewer((state) => state.loaded[stack.id] ?? 0);
  const track = useRef<HTMLDivElement>(null);
  const last = stack.frames.length - 1;

  const follow = (event: PointerEvent): void => {
    const box = track.current?.getBoundingClientRect();
    if (!box) return;
    setIndex(id, ((event.clientY - box.top) / box.height) * last);
  };

  return (
    <div
      className={classes.slider}
      aria-hidden
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) follow(event);
      }}
    >
      <div ref={track} className={classes.track} data-complete={loaded >= stack.frames.length || undefined}>
        <div className={classes.thumb} style={{ top: `${(index / last) * 100}%` }} />
      </div>
    </div>
  );
}
