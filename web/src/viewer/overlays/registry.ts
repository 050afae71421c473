/** Objects of the study, read once from their metadata and found by UID. */
import { DICOMWEB_ROOT, fetchBulk } from '../data/dicomweb';
import type { DisplaySet } from '../data/displaySets';
import type { Frame, Instance } from '../data/frames';
import { fetchTables } from '../lut/tables';
import type { Voi } from '../lut/voi';
import { type KeyObjects, readKeyObjects } from './keyImages';
import {
  isFor,
  type PresentationStateObject,
  readPresentationState,
  tablesOfState,
  voiOfState,
} from './presentationState';
import { readSegmentation, type Segmentation } from './segmentation';
import { readStructures, type Structures } from './structures';

interface Read {
  keyObjects?: KeyObjects;
  state?: PresentationStateObject;
  segmentation?: Segmentation;
  structures?: Structures;
}

const known = new WeakMap<Instance, Read>();
const states = new Map<string, PresentationStateObject>();
const vois = new WeakMap<PresentationStateObject, Map<string, Voi | null>>();

function readOf(instance: Instance): Read {
  const found = known.get(instance);
  if (found) return found;
  const read: Read = {};
  known.set(instance, read);
  return read;
}

function objectsOf(sets: Record<string, DisplaySet>, object: string): Instance[] {
  return Object.values(sets).flatMap((set) =>
    set.kind === 'object' && set.object === object ? [set.representative] : [],
  );
}

export const keyObjectsOf = (sets: Record<string, DisplaySet>): KeyObjects[] =>
  objectsOf(sets, 'keyObjects').map(
    (instance) => (readOf(instance).keyObjects ??= readKeyObjects(instance.dataset)),
  );

/** Grayscale, Color and Pseudo-Color states are of images alone; the others blend volumes. */
const READABLE = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.[12]$/;

export function statesOf(sets: Record<string, DisplaySet>): PresentationStateObject[] {
  return objectsOf(sets, 'presentationState')
    .filter(({ sopClassUid }) => READABLE.test(sopClassUid))
    .map((instance) => {
      const state = (readOf(instance).state ??= readPresentationState(instance.dataset));
      states.set(state.sopInstanceUid, state);
      return state;
    });
}

export const segmentationsOf = (sets: Record<string, DisplaySet>): Segmentation[] =>
  objectsOf(sets, 'segmentation').map(
    (instance) => (readOf(instance).segmentation ??= readSegmentation(instance, DICOMWEB_ROOT)),
  );

export const structuresOf = (sets: Record<string, DisplaySet>): Structures[] =>
  objectsOf(sets, 'structureSet').map(
    (instance) => (readOf(instance).structures ??= readStructures(instance.dataset)),
  );

/** Fetches the tables of a state that lie apart from its metadata. */
export async function completeState(state: PresentationStateObject): Promise<void> {
  await fetchTables(tablesOfState(state), async (uri) => (await fetchBulk(uri)).bytes);
  states.set(state.sopInstanceUid, state);
}

export const findState = (sopInstanceUid: string | undefined): PresentationStateObject | null =>
  (sopInstanceUid !== undefined && states.get(sopInstanceUid)) || null;

/** What a state says of a frame's grey values; null when it says nothing of them. */
export function presentedVoi(sopInstanceUid: string, frame: Frame): Voi | null {
  const state = findState(sopInstanceUid);
  if (!state || !isFor(state, frame)) return null;
  let ofState = vois.get(state);
  if (!ofState) {
    ofState = new Map();
    vois.set(state, ofState);
  }
  const found = ofState.get(frame.imageId);
  if (found !== undefined) return found;
  const voi = voiOfState(state, frame);
  ofState.set(frame.imageId, voi);
  return voi;
}

export function forgetObjects(): void {
  states.clear();
}
