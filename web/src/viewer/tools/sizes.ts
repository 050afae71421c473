/** Viewports of one size: the same mm to the screen's pixel in all, as long as it is wanted. */
import { chestWallOf } from '../data/mammography';
import { scaleOf } from '../data/orientation';
import { centerAgainst, type Placed, sharedScale, zoomForScale } from '../data/sizes';
import { geometryOf } from '../engine/geometry';
import { screenScale } from '../state/screenScale';
import { useSpace } from '../state/space';
import { changePane, type PaneId, stackOf, useViewer, type ViewerState, visiblePanes } from '../state/store';
import { engineIfLoaded } from './withEngine';

interface Sized extends Placed {
  id: PaneId;
  chestWall: 'left' | 'right' | null;
}

/** The visible viewports whose pictures have millimetres. */
function sized(state: ViewerState): Sized[] {
  const views = engineIfLoaded()?.session.views;
  return visiblePanes(state).flatMap((id) => {
    const view = views?.get(id);
    const frame = stackOf(state, id)?.frames[state.panes[id].index];
    const geometry = frame && geometryOf(frame);
    if (!view || !frame || !geometry || view.size.width === 0) return [];
    if (frame.plane.spacingSource === 'none' || frame.plane.spacingSource === 'aspect') return [];
    const { orientation } = state.panes[id].presentation;
    return [{ id, geometry, orientation, viewport: view.size, chestWall: chestWallOf(frame) }];
  });
}

let isChanging = false;
/** The reader zoomed or panned: sizes stay the same, places are the reader's. */
let isByHand = false;

function setZooms(all: readonly Sized[], scale: number, isPlaced: boolean): void {
  isChanging = true;
  try {
    for (const each of all) {
      const { id, chestWall } = each;
      changePane(id, ({ presentation }) => ({
        presentation: {
          ...presentation,
          zoom: zoomForScale(each, scale),
          ...(isPlaced && { center: chestWall ? centerAgainst(chestWall, each, scale) : [0.5, 0.5] }),
        },
      }));
    }
  } finally {
    isChanging = false;
  }
}

/** Gives all viewports the size that is wanted. */
function size(): void {
  const { sizing } = useSpace.getState();
  if (sizing === 'fit') return;
  const state = useViewer.getState();
  const all = sized(state);
  const reader = isByHand ? all.find(({ id }) => id === state.active) : undefined;
  const scale = reader
    ? scaleOf(reader.geometry, state.panes[reader.id].presentation, reader.viewport)
    : ((sizing === 'true' ? screenScale() : null) ?? sharedScale(all));
  if (scale !== null) setZooms(all, scale, !isByHand);
}

export function setSizing(sizing: 'fit' | 'same' | 'true'): void {
  isByHand = false;
  // A screen that was not measured has no true size; the same size it can have.
  if (sizing === 'true' && screenScale() === null)
    useSpace.setState({ notice: { text: 'trueSize.notMeasured' } });
  useSpace.setState({ sizing });
  size();
}

/** All of one size, or each as large as it fits. */
export function toggleSameSize(): void {
  const wasSame = useSpace.getState().sizing !== 'fit';
  setSizing(wasSame ? 'fit' : 'same');
  if (!wasSame) return;
  for (const id of visiblePanes(useViewer.getState()))
    changePane(id, ({ presentation }) => ({
      presentation: { ...presentation, zoom: 1, center: [0.5, 0.5] },
    }));
}

/** Keeps the sizes while viewports come, go, change in size or are zoomed; the function returned stops it. */
export function listenToSizes(): () => void {
  let stopResizes = (): void => undefined;
  const session = engineIfLoaded()?.session;
  if (session) {
    session.resizeListeners.add(size);
    stopResizes = () => void session.resizeListeners.delete(size);
  }
  const stop = useViewer.subscribe((now, before) => {
    if (isChanging || useSpace.getState().sizing === 'fit') return;
    if (now.studyInstanceUid !== before.studyInstanceUid) {
      useSpace.setState({ sizing: 'fit' });
      return;
    }
    const isOther = (id: PaneId): boolean =>
      now.panes[id].displaySetId !== before.panes[id].displaySetId ||
      now.panes[id].shown !== before.panes[id].shown;
    const pane = now.panes[now.active];
    const was = before.panes[now.active];
    if (now.layout !== before.layout || visiblePanes(now).some(isOther)) {
      isByHand = isByHand && now.layout === before.layout;
      size();
    } else if (pane.presentation !== was.presentation && pane.displaySetId === was.displaySetId) {
      isByHand = true;
      size();
    }
  });
  return () => {
    stop();
    stopResizes();
  };
}
