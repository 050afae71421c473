/** What the archive holds of what a viewport shows, as files: as stored, or as a picture. */
import { client, unwrap } from '@/api/client';
import { zipAddress } from '@/api/studies';
import { DICOMWEB_ROOT } from '../data/dicomweb';
import { asFailure } from '../data/errors';
import type { Frame, Instance } from '../data/frames';
import type { Voi, WindowShape } from '../lut/voi';
import { type PaneId, stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import { fileNameOf } from './captions';

const seriesPath = ({ studyInstanceUid, seriesInstanceUid }: Instance): string =>
  `${DICOMWEB_ROOT}/studies/${studyInstanceUid}/series/${seriesInstanceUid}`;

export const seriesZipAddress = (instance: Instance): string =>
  `${seriesPath(instance)}?accept=application/zip`;

/** The instance as it was stored, whatever its transfer syntax. */
export const instanceAddress = (instance: Instance): string => {
  const accept = encodeURIComponent('application/dicom; transfer-syntax=*');
  return `${seriesPath(instance)}/instances/${instance.sopInstanceUid}?accept=${accept}`;
};

const FUNCTIONS: Record<WindowShape, string> = {
  LINEAR: 'linear',
  LINEAR_EXACT: 'linear-exact',
  SIGMOID: 'sigmoid',
};

/** The whole frame in the window that is shown, with whose it is written on it (PS3.18 8.3.5.1). */
export function jpegAddress({ instance, frameNumber }: Frame, voi: Voi | null): string {
  const frame = instance.numberOfFrames > 1 ? `/frames/${frameNumber}` : '';
  const address = `${seriesPath(instance)}/instances/${instance.sopInstanceUid}${frame}/rendered`;
  const asked = new URLSearchParams({ accept: 'image/jpeg', annotation: 'patient,technique' });
  // A table is the image's own, which the server applies by itself.
  if (voi?.kind === 'window' && instance.pixels?.samplesPerPixel === 1)
    asked.set('window', `${voi.center},${voi.width},${FUNCTIONS[voi.shape]}`);
  return `${address}?${asked.toString()}`;
}

function follow(address: string, name: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
}

/** Instances leave as stored only with the right to retrieve; without it a reader is told before the browser asks. */
async function mayRetrieve(): Promise<boolean> {
  const { user } = await unwrap(client.GET('/session'));
  if (user.rights.includes('retrieve')) return true;
  tell({ text: 'download.notAllowed' });
  return false;
}

export type Wanted = 'study' | 'series' | 'instance' | 'jpeg';

/** Downloads the study, or what the viewport shows of it. Says why when it cannot. */
export async function download(wanted: Wanted, id: PaneId): Promise<void> {
  const state = useViewer.getState();
  const { shown, index, shownVoi } = state.panes[id];
  const stack = stackOf(state, id);
  const frame = stack?.derived ? undefined : stack?.frames[shown ?? index];
  if (wanted !== 'study' && !frame) {
    tell({ text: stack ? 'download.derived' : 'capture.noImage' });
    return;
  }
  try {
    if (wanted !== 'jpeg' && !(await mayRetrieve())) return;
  } catch (error) {
    tell({ text: `failure.${asFailure(error).kind}` });
    return;
  }
  // That of the viewport, which may show a prior.
  const study = frame?.instance.studyInstanceUid ?? state.studyInstanceUid;
  if (wanted === 'study') follow(zipAddress(study), `${study}.zip`);
  if (!frame) return;
  const { seriesInstanceUid, sopInstanceUid } = frame.instance;
  if (wanted === 'series') follow(seriesZipAddress(frame.instance), `${seriesInstanceUid}.zip`);
  if (wanted === 'instance') follow(instanceAddress(frame.instance), `${sopInstanceUid}.dcm`);
  if (wanted === 'jpeg') follow(jpegAddress(frame, shownVoi), fileNameOf(frame, 'patient', 'jpg'));
}
