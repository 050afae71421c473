/** The scene of a stack: its volume loaded, what it holds taken off what images may have. */
import type { StackDisplaySet } from '../data/displaySets';
import { suvFactor } from '../data/suv';
import { loadPlanes } from '../tools/spatial';
import { firstFor, type RenderingName } from './presets';
import { bytesNeeded, VolumeScene } from './VolumeScene';

/** What is darkest in a MIP of PET, as it is in the colours of a fusion. */
const SUV_DARKEST = 10;

export interface Opened {
  scene: VolumeScene;
  close: () => void;
}

/** Rejects with `NotAVolume`, `TooLarge`, `TooWide`, `NoWebGl2`, or why a frame could not be read. */
export async function openScene(
  stack: StackDisplaySet,
  container: HTMLElement,
  preset: RenderingName | null,
): Promise<Opened> {
  // Not imported by name: the code of the viewports stays a piece of its own, which the first image waits for.
  const { volumeOfStack, reserve, VIEWPORT_PRESETS } = await loadPlanes();
  const volume = await volumeOfStack(stack);
  const [frame] = stack.frames;
  const suv = frame && suvFactor(frame, 'bw');
  const upper = suv?.kind === 'factor' ? SUV_DARKEST / suv.factor : volume.most;
  const release = reserve(bytesNeeded(volume));
  try {
    const scene = new VolumeScene(container, volume, upper, VIEWPORT_PRESETS);
    scene.setPreset(preset ?? firstFor(stack.modality));
    return {
      scene,
      close: () => {
        scene.destroy();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}
