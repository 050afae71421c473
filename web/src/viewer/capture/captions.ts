/** The words on a captured picture, and the name of its file. */
import { formatDicomDate, formatDicomTime } from '@/lib/dates';
import { nameInOneLine } from '@/lib/names';
import { text } from '../data/dicomJson';
import { type Frame, readPatientAndStudy } from '../data/frames';

/** What words are written about: a frame, or the instance of a waveform. */
export type Pictured = Pick<Frame, 'instance' | 'frameNumber'>;

export type Identity = 'patient' | 'none';

export interface Captions {
  topLeft: string[];
  topRight: string[];
  bottomLeft: string[];
}

const FILE_NAME_MAX = 120;

/**
 * Who and when stands on every picture that says whose it is, whatever the screen hides. A picture without identity has
 * neither, nor what somebody typed as a description, where names turn up.
 */
export function captionsOf(
  frame: Pictured,
  identity: Identity,
  place: { position: string; window: string; warning: string },
  locale: string,
): Captions {
  const bottomLeft = [place.position, place.window, place.warning].filter(Boolean);
  if (identity === 'none') return { topLeft: [], topRight: [], bottomLeft };
  const { dataset } = frame.instance;
  const study = readPatientAndStudy(dataset);
  const day = formatDicomDate(study.studyDate, locale);
  return {
    topLeft: [
      nameInOneLine(study.patientName),
      study.patientId,
      [study.patientSex, formatDicomDate(study.patientBirthDate, locale)].filter(Boolean).join(' · '),
    ].filter(Boolean),
    topRight: [
      [day, formatDicomTime(study.studyTime)].filter(Boolean).join('  '),
      study.studyDescription,
      text(dataset, '00080080'),
      study.accessionNumber,
    ].filter(Boolean),
    bottomLeft: [text(dataset, '0008103E'), ...bottomLeft].filter(Boolean),
  };
}

/** What the pixels themselves may say of the patient: Burned In Annotation (0028,0301), or a modality that writes there. */
export function pixelsMayName(frame: Frame): 'yes' | 'perhaps' | 'no' {
  const { dataset, modality } = frame.instance;
  const stated = text(dataset, '00280301').toUpperCase();
  if (stated === 'YES') return 'yes';
  if (stated === 'NO') return 'no';
  return ['US', 'ES', 'XC', 'OT', 'SC', 'IVUS', 'GM'].includes(modality) ? 'perhaps' : 'no';
}

/** A name that every system takes: letters and digits of any script, joined by one dash. */
export function fileNameOf(frame: Pictured, identity: Identity, extension: string): string {
  const { dataset } = frame.instance;
  const study = readPatientAndStudy(dataset);
  const parts =
    identity === 'none'
      ? ['image', frame.instance.modality]
      : [study.patientId, study.studyDate, frame.instance.modality, text(dataset, '00200011')];
  parts.push(text(dataset, '00200013'), frame.frameNumber > 1 ? `frame ${frame.frameNumber}` : '');
  const name = parts
    .filter(Boolean)
    .join('-')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
    .slice(0, FILE_NAME_MAX);
  return `${name || 'image'}.${extension}`;
}
