/** What a reader does with key images and presentation states. */
import { client, unwrap } from '@/api/client';
import type { components } from '@/api/schema';
import { ensureSeries } from '../data/opening';
import type { Frame } from '../data/frames';
import { hasMask } from '../data/subtraction';
import { geometryOf } from '../engine/geometry';
import { isMonochrome1 } from '../lut/choice';
import type { KeyImage, KeyObjects } from '../overlays/keyImages';
import {
  areaOfState,
  graphicsOfState,
  isFor,
  isText,
  presentationOfArea,
  type PresentationStateObject,
  shownArea,
  spatialTransformation,
} from '../overlays/presentationState';
import { completeState, findState, keyObjectsOf } from '../overlays/registry';
import { markedImages, setApplied, toggleMarked, useObjects } from '../state/objects';
import {
  changePane,
  openDisplaySet,
  OWN_VOI,
  type PaneId,
  setIndex,
  setSeriesState,
  stackOf,
  useViewer,
} from '../state/store';
import { loadEngine } from './withEngine';
import { findSeries } from '../data/dicomweb';

type Schemas = components['schemas'];
export type GraphicRequest = Schemas['StateGraphic'];
export type TextRequest = Schemas['StateText'];
export type WrittenObject = Schemas['WrittenObject'];

export function shownFrame(pane: PaneId): Frame | undefined {
  const state = useViewer.getState();
  const { shown, index } = state.panes[pane];
  return stackOf(state, pane)?.frames[shown ?? index];
}

export function toggleKeyImage(): void {
  const frame = shownFrame(useViewer.getState().active);
  if (frame) toggleMarked(frame);
}

/** Lists again what the study holds, and reads the series that is new. */
export async function readNewSeries(written: WrittenObject): Promise<void> {
  const { studyInstanceUid, seriesInstanceUid } = written;
  const listed = await findSeries(studyInstanceUid);
  const summary = listed.find((each) => each.seriesInstanceUid === seriesInstanceUid);
  if (!summary || useViewer.getState().studyInstanceUid !== studyInstanceUid) return;
  const isKnown = useViewer
    .getState()
    .series.some((each) => each.summary.seriesInstanceUid === seriesInstanceUid);
  if (isKnown) setSeriesState(seriesInstanceUid, { kind: 'waiting' });
  else useViewer.setState(({ series }) => ({ series: [...series, { summary, state: { kind: 'waiting' } }] }));
  await ensureSeries(seriesInstanceUid);
}

export async function saveKeyImages(title: string, description: string): Promise<void> {
  const { studyInstanceUid } = useViewer.getState();
  const written = await unwrap(
    client.POST('/studies/{studyInstanceUid}/key-objects', {
      params: { path: { studyInstanceUid } },
      body: { title, description, images: markedImages() },
    }),
  );
  useObjects.setState({ marked: [] });
  await readNewSeries(written);
}

/** Whether a frame is a key image of somebody's that is saved. */
export function isSavedKeyImage(saved: readonly KeyObjects[], frame: Frame): boolean {
  return saved.some(({ images }) =>
    images.some(
      ({ sopInstanceUid, frameNumbers }) =>
        sopInstanceUid === frame.instance.sopInstanceUid &&
        (frameNumbers.length === 0 || frameNumbers.includes(frame.frameNumber)),
    ),
  );
}

export const savedKeyObjects = (): KeyObjects[] => keyObjectsOf(useViewer.getState().displaySets);

/** Finds a frame of the study, reading series that were not read yet. */
export async function findFrame(
  matches: (frame: Frame) => boolean,
): Promise<{ id: string; index: number } | null> {
  const look = (): { id: string; index: number } | null => {
    for (const set of Object.values(useViewer.getState().displaySets)) {
      if (set.kind !== 'stack') continue;
      const index = set.frames.findIndex(matches);
      if (index >= 0) return { id: set.id, index };
    }
    return null;
  };
  const found = look();
  if (found) return found;
  for (const { summary, state } of useViewer.getState().series) {
    if (state.kind === 'ready') continue;
    await ensureSeries(summary.seriesInstanceUid);
    const after = look();
    if (after) return after;
  }
  return null;
}

async function show(pane: PaneId, matches: (frame: Frame) => boolean): Promise<boolean> {
  const stack = stackOf(useViewer.getState(), pane);
  const here = stack?.frames.findIndex(matches) ?? -1;
  if (here >= 0) {
    setIndex(pane, here);
    return true;
  }
  const found = await findFrame(matches);
  if (!found) return false;
  openDisplaySet(pane, found.id);
  setIndex(pane, found.index);
  return true;
}

/** False when the image is not in this study any more. */
export function jumpTo({ sopInstanceUid, frameNumbers }: KeyImage): Promise<boolean> {
  const [frameNumber = 1] = frameNumbers;
  return show(
    useViewer.getState().active,
    (frame) => frame.instance.sopInstanceUid === sopInstanceUid && frame.frameNumber === frameNumber,
  );
}

/** Shows an image as a presentation state says: grey values, place, graphics. False when it is for no image here. */
export async function applyState(
  state: PresentationStateObject,
  pane: PaneId = useViewer.getState().active,
): Promise<boolean> {
  await completeState(state);
  const current = shownFrame(pane);
  if (!current || !isFor(state, current)) {
    if (!(await show(pane, (frame) => isFor(state, frame)))) return false;
  }
  const { session } = await loadEngine();
  const pictured = useViewer.getState();
  const frame = stackOf(pictured, pane)?.frames[pictured.panes[pane].index];
  const view = session.views.get(pane);
  const geometry = frame && geometryOf(frame);
  if (!frame || !view || !geometry) return false;
  const area = areaOfState(state, frame);
  setApplied(pane, state.sopInstanceUid);
  changePane(pane, {
    voi: { kind: 'state', sopInstanceUid: state.sopInstanceUid },
    // A state says of all images what is dark, MONOCHROME1 or not (PS3.4 N.2.1).
    isInverted: state.isInverse !== isMonochrome1(frame),
    presentation: presentationOfArea(area, state.orientation, geometry, view.size),
    subtraction: hasMask(state.dataset)
      ? { source: { kind: 'state', sopInstanceUid: state.sopInstanceUid }, moved: [0, 0] }
      : null,
  });
  return true;
}

export function leaveState(pane: PaneId = useViewer.getState().active): void {
  setApplied(pane, null);
  changePane(pane, ({ voi, subtraction }) => ({
    ...(voi.kind === 'state' ? { voi: OWN_VOI, isInverted: false } : {}),
    ...(subtraction?.source.kind === 'state' ? { subtraction: null } : {}),
  }));
}

export interface NewState {
  label: string;
  description: string;
  /** All images of the stack, or the one that is shown. */
  isForAll: boolean;
}

/** What is drawn on the frame already by the state that the viewport follows, to be drawn again by the new one. */
function carried(frame: Frame, pane: PaneId): { graphics: GraphicRequest[]; texts: TextRequest[] } {
  const state = findState(useObjects.getState().applied[pane]);
  const objects = state && isFor(state, frame) ? graphicsOfState(state, frame) : [];
  return {
    graphics: objects.flatMap((object): GraphicRequest[] => {
      if (isText(object)) return [];
      const { kind, units, isFilled, points } = object;
      return [{ kind, units, isFilled, points: points.map(([x, y]) => [x, y]) }];
    }),
    texts: objects.flatMap((object): TextRequest[] => {
      if (!isText(object)) return [];
      const [anchor, units] = object.anchor
        ? [object.anchor, object.anchorUnits]
        : [object.box?.[0] ?? ([0, 0] as const), object.boxUnits];
      return [{ text: object.text, anchor: [anchor[0], anchor[1]], units }];
    }),
  };
}

/** Saves how a viewport shows its image as a presentation state of the study. */
export async function saveState(wanted: NewState, pane: PaneId = useViewer.getState().active): Promise<void> {
  const { session } = await loadEngine();
  const state = useViewer.getState();
  const stack = stackOf(state, pane);
  const frame = shownFrame(pane);
  const view = session.views.get(pane);
  const geometry = frame && geometryOf(frame);
  if (!stack || !frame || !view || !geometry) return;
  const { presentation, shownVoi, isInverted } = state.panes[pane];
  const isGrey = view.image?.color !== true;
  const frames = wanted.isForAll ? stack.frames : [frame];
  const { studyInstanceUid } = state;
  const written = await unwrap(
    client.POST('/studies/{studyInstanceUid}/presentation-states', {
      params: { path: { studyInstanceUid } },
      body: {
        label: wanted.label,
        description: wanted.description,
        images: imagesOf(frames),
        window:
          isGrey && shownVoi?.kind === 'window'
            ? { center: shownVoi.center, width: shownVoi.width, function: shownVoi.shape }
            : null,
        voiTable:
          isGrey && shownVoi?.kind === 'table'
            ? {
                first: shownVoi.table.first,
                bits: Math.max(8, shownVoi.table.bitsPerEntry),
                entries: Array.from(shownVoi.table.entries),
              }
            : null,
        isInverse: isInverted !== isMonochrome1(frame),
        ...spatialTransformation(presentation.orientation),
        area: shownArea(geometry, presentation, view.size),
        ...carried(frame, pane),
      },
    }),
  );
  await readNewSeries(written);
}

function imagesOf(frames: readonly Frame[]): KeyImage[] {
  const byUid = new Map<string, KeyImage>();
  for (const { instance, frameNumber } of frames) {
    const found = byUid.get(instance.sopInstanceUid) ?? {
      sopInstanceUid: instance.sopInstanceUid,
      frameNumbers: [],
    };
    if (instance.numberOfFrames > 1) found.frameNumbers.push(frameNumber);
    byUid.set(instance.sopInstanceUid, found);
  }
  return [...byUid.values()];
}
