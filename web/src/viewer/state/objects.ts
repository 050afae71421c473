/** What is shown with the pixels: key images being marked, states that are applied, segmentations and their switches. */
import { create } from 'zustand';
import type { Frame } from '../data/frames';
import { asKeyImages } from '../overlays/keyImages';
import type { PaneId } from './store';

export interface Marked {
  sopInstanceUid: string;
  frameNumber: number;
  numberOfFrames: number;
}

export interface ObjectsState {
  studyInstanceUid: string;
  hasPanel: boolean;
  /** Key images that are not saved yet. */
  marked: Marked[];
  /** The presentation state that a viewport follows. */
  applied: Partial<Record<PaneId, string>>;
  /** Segmentations and structure sets that are shown. */
  shown: string[];
  /** Parts that are switched off: `object uid#number`. */
  hidden: string[];
  /** Of segments, 0 to 1. */
  opacity: number;
  hasPlanes: boolean;
  hasShutters: boolean;
}

const EMPTY: Omit<ObjectsState, 'opacity' | 'hasPanel'> = {
  studyInstanceUid: '',
  marked: [],
  applied: {},
  shown: [],
  hidden: [],
  hasPlanes: true,
  hasShutters: true,
};

export const useObjects = create<ObjectsState>(() => ({ ...EMPTY, opacity: 0.5, hasPanel: false }));

const { getState, setState } = useObjects;

export function startObjects(studyInstanceUid: string): void {
  setState({ ...EMPTY, studyInstanceUid });
}

const isSame = (marked: Marked, frame: Frame): boolean =>
  marked.sopInstanceUid === frame.instance.sopInstanceUid && marked.frameNumber === frame.frameNumber;

export const isMarked = (state: ObjectsState, frame: Frame): boolean =>
  state.marked.some((each) => isSame(each, frame));

export function toggleMarked(frame: Frame): void {
  const { sopInstanceUid, numberOfFrames } = frame.instance;
  setState((state) => ({
    marked: isMarked(state, frame)
      ? state.marked.filter((each) => !isSame(each, frame))
      : [...state.marked, { sopInstanceUid, frameNumber: frame.frameNumber, numberOfFrames }],
  }));
}

export const markedImages = (): ReturnType<typeof asKeyImages> => asKeyImages(getState().marked);

export const partKey = (sopInstanceUid: string, part: number): string => `${sopInstanceUid}#${part}`;

export function toggleShown(sopInstanceUid: string): void {
  setState(({ shown }) => ({
    shown: shown.includes(sopInstanceUid)
      ? shown.filter((uid) => uid !== sopInstanceUid)
      : [...shown, sopInstanceUid],
  }));
}

export function togglePart(sopInstanceUid: string, part: number): void {
  const key = partKey(sopInstanceUid, part);
  setState(({ hidden }) => ({
    hidden: hidden.includes(key) ? hidden.filter((each) => each !== key) : [...hidden, key],
  }));
}

export function setApplied(pane: PaneId, sopInstanceUid: string | null): void {
  setState(({ applied }) => {
    const { [pane]: _, ...others } = applied;
    return { applied: sopInstanceUid === null ? others : { ...others, [pane]: sopInstanceUid } };
  });
}
