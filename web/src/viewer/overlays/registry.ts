/** Objects of the study, read once from their metadata and found by UID. */
import { DICOMWEB_ROOT, fetchBulk } from '../data/dicomweb';
import type { DisplaySet } from '../data/displaySets';
import type { Frame, Instance } from '../data/frames';
import { text } from '../data/dicomJson';
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

/** Grayscale, Color and XA/XRF Grayscale states are of images alone. */
const READABLE = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.[125]$/;
/** Pseudo-Color and Blending states, which the server renders. */
const RENDERED = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.[34]$/;

/** A state that is not applied in the viewer: what it is called, and whether a picture of it can be had. */
export interface OtherState {
  sopInstanceUid: string;
  label: string;
  isRendered: boolean;
  pictureUrl: string;
}

export function otherStatesOf(sets: Record<string, DisplaySet>): OtherState[] {
  return objectsOf(sets, 'presentationState')
    .filter(({ sopClassUid }) => !READABLE.test(sopClassUid))
    .map(({ studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, dataset }) => ({
      sopInstanceUid,
      label: text(dataset, '00700081') || text(dataset, '00700080'),
      isRendered: RENDERED.test(sopClassUid),
      pictureUrl: `${DICOMWEB_ROOT}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/rendered?accept=image/png`,
    }));
}

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
export function presentedVoi(sopInstanceUid: string, frame: Frame, isOfDifferences = false): Voi | null {
  const state = findState(sopInstanceUid);
  if (!state || !isFor(state, frame)) return null;
  let ofState = vois.get(state);
  if (!ofState) {
    ofState = new Map();
    vois.set(state, ofState);
  }
  const name = `${frame.imageId}${isOfDifferences ? ' differences' : ''}`;
  const found = ofState.get(name);
  if (found !== undefined) return found;
  const voi = voiOfState(state, frame, isOfDifferences);
  ofState.set(name, voi);
  return voi;
}

export function forgetObjects(): void {
  states.clear();
}
