/** A viewport is drawn as large as its image is printed: out of sight, in the size of its place on the page. */
import { fitScale, sizeOnScreen } from '../data/orientation';
import { geometryOf } from '../engine/geometry';
import { changePane, openDisplaySet, type Pane, type PaneId, stackOf, useViewer } from '../state/store';
import { elementOf } from '../capture/drawing';
import { CannotSave } from '../capture/refusal';

export interface Size {
  width: number;
  height: number;
}

/** Width by height of a viewport on the screen. */
export function aspectOf(id: PaneId): number {
  const box = elementOf(id)?.getBoundingClientRect();
  return box && box.height > 0 ? box.width / box.height : 1;
}

/** Gives a viewport another size; the function puts it back. */
function resized(id: PaneId): { to: (size: Size) => HTMLElement; back: () => void } {
  const element = elementOf(id);
  if (!element) throw new CannotSave({ text: 'capture.noImage' });
  const before = element.getAttribute('style');
  return {
    to: ({ width, height }) => {
      element.style.cssText = `position: fixed; left: 0; top: 0; width: ${width}px; height: ${height}px; visibility: hidden; z-index: -1`;
      return element;
    },
    back: () => {
      if (before === null) element.removeAttribute('style');
      else element.setAttribute('style', before);
    },
  };
}

/** A viewport for the time in which it is printed from. */
export class Stage {
  private readonly before: Pane;
  private readonly size: ReturnType<typeof resized>;

  constructor(readonly id: PaneId) {
    this.before = useViewer.getState().panes[id];
    this.size = resized(id);
    changePane(id, { isPlaying: false });
  }

  /** Shows an image in a size, in pixels of CSS: as the reader has it, or in its true size of so many pixels to the mm. */
  show(displaySetId: string, index: number, size: Size, truePerMm: number | null): HTMLElement {
    const { id, before } = this;
    if (useViewer.getState().panes[id].displaySetId !== displaySetId) {
      if (displaySetId === before.displaySetId) changePane(id, before);
      else openDisplaySet(id, displaySetId);
    }
    const element = this.size.to(size);
    changePane(id, ({ presentation }) => ({
      index,
      presentation: truePerMm === null ? presentation : this.inTrueSize(index, size, truePerMm),
    }));
    return element;
  }

  private inTrueSize(index: number, size: Size, perMm: number): Pane['presentation'] {
    const state = useViewer.getState();
    const { presentation } = state.panes[this.id];
    const frame = stackOf(state, this.id)?.frames[index];
    const geometry = frame && geometryOf(frame);
    const source = frame?.plane.spacingSource;
    if (!geometry || source === 'none' || source === 'aspect')
      throw new CannotSave({ text: 'trueSize.noSpacing' });
    return { ...presentation, zoom: perMm / fitScale(geometry, presentation.orientation, size) };
  }

  /** Whether the image is larger than so many mm. */
  isLargerThan(index: number, mm: Size): boolean {
    const state = useViewer.getState();
    const frame = stackOf(state, this.id)?.frames[index];
    const geometry = frame && geometryOf(frame);
    if (!geometry) return false;
    const whole = sizeOnScreen(geometry, state.panes[this.id].presentation.orientation);
    return whole.width > mm.width + 0.1 || whole.height > mm.height + 0.1;
  }

  /** Puts the viewport back to what it was. */
  leave(): void {
    this.size.back();
    // A new attempt, so that the renderer shows what it was.
    changePane(this.id, ({ attempt }) => ({ ...this.before, attempt: attempt + 1 }));
  }
}
