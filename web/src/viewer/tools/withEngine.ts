/** Actions that need the picture itself. The renderer is loaded apart; before it is here there is no picture. */
import { zoomedAt, zoomForPixelSize } from '../data/orientation';
import { changePane, type PaneId } from '../state/store';

type Engine = typeof import('../engine/session');

let loaded: Engine | null = null;

export async function loadEngine(): Promise<Engine> {
  loaded = await import('../engine/session');
  return loaded;
}

/** For what is read while drawing and may be missing at first. */
export const engineIfLoaded = (): Engine | null => loaded;

/** At once when the renderer is here, so that what a key did is done when its event returns. */
function withEngine(run: (engine: Engine) => void): void {
  if (loaded) run(loaded);
  else void loadEngine().then(run);
}

export function showAutomaticWindow(pane: PaneId): void {
  withEngine(({ session }) => {
    const voi = session.automaticFor(pane);
    if (voi) changePane(pane, { voi: { kind: 'set', voi, name: 'automatic' } });
  });
}

/** One image pixel on one pixel of the screen. */
export function showPixelsOneToOne(pane: PaneId): void {
  withEngine(({ session }) => {
    const view = session.views.get(pane);
    const geometry = view?.geometry;
    if (!view || !geometry) return;
    changePane(pane, ({ presentation }) => ({
      presentation: {
        ...presentation,
        zoom: zoomForPixelSize(
          geometry,
          presentation.orientation,
          view.size,
          1 / (window.devicePixelRatio || 1),
        ),
      },
    }));
  });
}

export function zoomActive(pane: PaneId, factor: number): void {
  withEngine(({ session }) => {
    const view = session.views.get(pane);
    const geometry = view?.geometry;
    if (!view || !geometry) return;
    const { size } = view;
    changePane(pane, ({ presentation }) => ({
      presentation: zoomedAt(geometry, presentation, size, factor, [size.width / 2, size.height / 2]),
    }));
  });
}
