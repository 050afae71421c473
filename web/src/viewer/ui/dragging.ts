/** What is taken from the strip to a viewport, by pointer or by keyboard: a display set, or a series not yet read. */
import type { DragEvent, KeyboardEvent } from 'react';
import { ensureSeries } from '../data/opening';
import { useSpace } from '../state/space';
import { openDisplaySet, type PaneId, useViewer, visiblePanes } from '../state/store';

const TYPE = 'application/x-filmless-display-set';
const SERIES = 'series ';

/** How a series that is not read yet is carried. */
export const seriesItem = (seriesInstanceUid: string): string => `${SERIES}${seriesInstanceUid}`;

/** The document says while a series is dragged, so that frames let it pass. */
export function startDragging(event: DragEvent, item: string): void {
  event.dataTransfer.setData(TYPE, item);
  event.dataTransfer.effectAllowed = 'copy';
  const root = document.documentElement;
  root.dataset.dragging = '';
  event.currentTarget.addEventListener('dragend', () => delete root.dataset.dragging, { once: true });
}

export const draggedItem = (event: DragEvent): string => event.dataTransfer.getData(TYPE);

/** Opens what was carried; a series that could not be read leaves the viewport as it is, and the strip says why. */
export async function putDown(pane: PaneId, item: string): Promise<void> {
  if (!item.startsWith(SERIES)) {
    openDisplaySet(pane, item);
    return;
  }
  const [first] = await ensureSeries(item.slice(SERIES.length));
  if (first) openDisplaySet(pane, first.id);
}

const STEPS: Record<string, 1 | -1> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Shift and Enter take up what has the focus, arrows choose the viewport, Enter puts it there, Esc leaves it. */
export function carryByKeys(event: KeyboardEvent, item: string): void {
  const { carried } = useSpace.getState();
  const isCarried = carried?.item === item;
  if (event.key === 'Enter' && event.shiftKey && !isCarried) {
    useSpace.setState({ carried: { item, target: useViewer.getState().active } });
  } else if (isCarried && event.key === 'Enter') {
    useSpace.setState({ carried: null });
    void putDown(carried.target, item);
  } else if (isCarried && event.key === 'Escape') {
    useSpace.setState({ carried: null });
  } else if (isCarried && STEPS[event.key]) {
    const panes = visiblePanes(useViewer.getState());
    const at = panes.indexOf(carried.target) + (STEPS[event.key] ?? 0);
    const target = panes[(at + panes.length) % panes.length];
    if (target) useSpace.setState({ carried: { item, target } });
  } else {
    return;
  }
  // Neither the press of the button nor the viewer's own keys.
  event.preventDefault();
  event.stopPropagation();
}

export function leaveCarried(): void {
  if (useSpace.getState().carried) useSpace.setState({ carried: null });
}
