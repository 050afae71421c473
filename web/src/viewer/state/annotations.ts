/** The reader's marks on the opened study, with undo and redo. The renderer follows. */
import { create } from 'zustand';
import { merged } from '../tools/annotations/differences';
import type { Annotation } from '../tools/annotations/model';

const UNDO_MAX = 200;

/** A step that is none of the marks, such as a stroke of the brush. */
export interface OtherStep {
  undo: () => void;
  redo: () => void;
}

/** The marks as they were, or how to take another step back. */
type Step = Annotation[] | OtherStep;

export interface AnnotationsState {
  studyInstanceUid: string;
  /** Counts openings: marks of one have nothing to do with those of another, of the same study or not. */
  opened: number;
  items: Annotation[];
  past: Step[];
  future: Step[];
  selected: string | null;
  /** A question for a text that the renderer waits for. */
  question: { kind: 'text' | 'length'; answer: (text: string | null) => void } | null;
}

const EMPTY: AnnotationsState = {
  studyInstanceUid: '',
  opened: 0,
  items: [],
  past: [],
  future: [],
  selected: null,
  question: null,
};

export const useAnnotations = create<AnnotationsState>(() => EMPTY);

const { getState, setState } = useAnnotations;

export function startAnnotations(studyInstanceUid: string): void {
  setState(({ opened }) => ({ ...EMPTY, studyInstanceUid, opened: opened + 1 }));
}

/** Sets the marks in one step that can be undone. */
function change(items: Annotation[], selected: string | null): void {
  setState(({ items: before, past }) => ({
    items,
    past: [...past, before].slice(-UNDO_MAX),
    future: [],
    selected,
  }));
}

/** Notes a step that was made elsewhere: all that a reader does is undone in the order in which it was done. */
export function record(step: OtherStep): void {
  setState(({ past }) => ({ past: [...past, step].slice(-UNDO_MAX), future: [] }));
}

export function addAnnotation(annotation: Annotation): void {
  change([...getState().items, annotation], annotation.uid);
}

export function addAnnotations(added: readonly Annotation[]): void {
  if (added.length > 0) change([...getState().items, ...added], null);
}

/** Puts others in the place of all marks, in one step that can be undone. */
export const replaceAnnotations = (items: readonly Annotation[]): void => change([...items], null);

export function updateAnnotations(changed: Annotation[]): void {
  if (changed.length === 0) return;
  const byUid = new Map(changed.map((each) => [each.uid, each]));
  const { items, selected } = getState();
  change(
    items.map((each) => byUid.get(each.uid) ?? each),
    selected,
  );
}

export function updateAnnotation(uid: string, part: Partial<Annotation>): void {
  const found = getState().items.find((each) => each.uid === uid);
  if (found) updateAnnotations([{ ...found, ...part }]);
}

/** What comes from elsewhere is no step of the reader's, and undo must not take it back. */
export function mergeAnnotations(changed: readonly Annotation[], removed: readonly string[]): void {
  if (changed.length === 0 && removed.length === 0) return;
  const inStep = (step: Step): Step => (Array.isArray(step) ? merged(step, changed, removed) : step);
  setState(({ items, past, future, selected }) => {
    const now = merged(items, changed, removed);
    return {
      items: now,
      past: past.map(inStep),
      future: future.map(inStep),
      selected: existing(selected, now),
    };
  });
}

export function removeAnnotation(uid: string): void {
  const { items } = getState();
  if (items.some((each) => each.uid === uid))
    change(
      items.filter((each) => each.uid !== uid),
      null,
    );
}

function existing(selected: string | null, items: Annotation[]): string | null {
  return items.some((each) => each.uid === selected) ? selected : null;
}

export function undo(): void {
  setState(({ items, past, future, selected }) => {
    const before = past.at(-1);
    if (!before) return {};
    if (!Array.isArray(before)) {
      before.undo();
      return { past: past.slice(0, -1), future: [before, ...future] };
    }
    return {
      items: before,
      past: past.slice(0, -1),
      future: [items, ...future],
      selected: existing(selected, before),
    };
  });
}

export function redo(): void {
  setState(({ items, past, future, selected }) => {
    const [after, ...rest] = future;
    if (!after) return {};
    if (!Array.isArray(after)) {
      after.redo();
      return { past: [...past, after], future: rest };
    }
    return { items: after, past: [...past, items], future: rest, selected: existing(selected, after) };
  });
}

export const select = (uid: string | null): void => setState({ selected: uid });
