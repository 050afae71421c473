/** How an object without a stack of images is shown: as what the server renders of it (PS3.18 8.7.4). */
import { DICOMWEB_ROOT } from './dicomweb';
import type { ObjectDisplaySet } from './displaySets';

export type RenderedKind = 'page' | 'pdf' | 'picture' | 'video' | 'file';

export interface Rendered {
  kind: RenderedKind;
  url: string;
}

const ENCAPSULATED = '1.2.840.10008.5.1.4.1.1.104.';
/** Grayscale and Color Softcopy Presentation State. */
const PRESENTABLE = new Set(['1.2.840.10008.5.1.4.1.1.11.1', '1.2.840.10008.5.1.4.1.1.11.2']);
const MODELS: Record<string, string> = { 3: 'model/stl', 4: 'model/obj', 5: 'model/mtl' };

/** What is asked for, and what the browser does with it; null when there is nothing but the attributes. */
function formOf({ object, representative }: ObjectDisplaySet): [RenderedKind, string] | null {
  const { sopClassUid } = representative;
  if (object === 'report' || object === 'keyObjects') return ['page', 'text/html'];
  if (PRESENTABLE.has(sopClassUid)) return ['picture', 'image/png'];
  if (object === 'video') return ['video', 'video/*'];
  if (!sopClassUid.startsWith(ENCAPSULATED)) return null;
  const kind = sopClassUid.slice(ENCAPSULATED.length);
  if (kind === '1') return ['pdf', 'application/pdf'];
  if (kind === '2') return ['page', 'text/html'];
  const model = MODELS[kind];
  return model ? ['file', model] : null;
}

export function renderedOf(displaySet: ObjectDisplaySet): Rendered | null {
  const form = formOf(displaySet);
  if (!form) return null;
  const [kind, accept] = form;
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = displaySet.representative;
  const path = `/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/rendered`;
  return { kind, url: `${DICOMWEB_ROOT}${path}?accept=${encodeURIComponent(accept)}` };
}

/** Whether a viewport has something to show of it: a study without images opens with the first such object. */
export const isReadable = (displaySet: ObjectDisplaySet): boolean => {
  if (displaySet.object === 'waveform') return true;
  const rendered = renderedOf(displaySet);
  return rendered !== null && rendered.kind !== 'file' && rendered.kind !== 'picture';
};
