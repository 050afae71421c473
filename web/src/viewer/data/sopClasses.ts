/** What an object is when it is no stack of images (PS3.4 B.5). */

export type ObjectKind =
  | 'image'
  | 'report'
  | 'document'
  | 'model'
  | 'keyObjects'
  | 'presentationState'
  | 'segmentation'
  | 'structureSet'
  | 'plan'
  | 'treatmentRecord'
  | 'waveform'
  | 'registration'
  | 'fiducials'
  | 'realWorldMapping'
  | 'surface'
  | 'tractography'
  | 'spectroscopy'
  | 'rawData'
  | 'video'
  | 'wholeSlide'
  | 'annotations'
  | 'unknown';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';

/** Longest prefix first, so that 88.59 (key objects) is found before 88 (reports). */
const PREFIXES: [string, ObjectKind][] = [
  ['88.59', 'keyObjects'],
  ['88.', 'report'],
  ['104.1', 'document'],
  ['104.2', 'document'],
  ['104.', 'model'],
  ['11.', 'presentationState'],
  ['66.1', 'registration'],
  ['66.2', 'fiducials'],
  ['66.3', 'registration'],
  ['66.4', 'segmentation'],
  ['66.5', 'surface'],
  ['66.6', 'tractography'],
  ['66.7', 'segmentation'],
  ['66', 'rawData'],
  ['67', 'realWorldMapping'],
  ['68.', 'surface'],
  ['9.', 'waveform'],
  ['4.2', 'spectroscopy'],
  ['481.3', 'structureSet'],
  ['481.4', 'treatmentRecord'],
  ['481.5', 'plan'],
  ['481.6', 'treatmentRecord'],
  ['481.7', 'treatmentRecord'],
  ['481.8', 'plan'],
  ['481.9', 'treatmentRecord'],
  ['481.10', 'plan'],
  ['77.1.6', 'wholeSlide'],
  ['77.1.1.1', 'video'],
  ['77.1.2.1', 'video'],
  ['77.1.4.1', 'video'],
  ['91.1', 'annotations'],
  ['78.', 'rawData'],
];

const VIDEO_SYNTAX = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;

/** Lossy Image Compression Method (0028,2114) of MPEG-2, H.264 and H.265 (PS3.3 C.7.6.1.1.5). */
const VIDEO_METHODS = new Set(['ISO_13818_1', 'ISO_14496_10', 'ISO_23008_2']);

export interface PixelHints {
  transferSyntaxUid: string;
  photometricInterpretation: string;
  lossyMethods: string[];
}

/**
 * Whether the pixel data are one video stream. Metadata need not name the transfer syntax, so what only videos have
 * counts as well: their sampling of colour (PS3.5 8.2.5 to 8.2.8), and how they were compressed last.
 */
export const isVideo = ({
  transferSyntaxUid,
  photometricInterpretation,
  lossyMethods,
}: PixelHints): boolean =>
  VIDEO_SYNTAX.test(transferSyntaxUid) ||
  (transferSyntaxUid === '' &&
    (photometricInterpretation === 'YBR_PARTIAL_420' || VIDEO_METHODS.has(lossyMethods.at(-1) ?? '')));

const matches = (uid: string, prefix: string): boolean =>
  uid === prefix || uid.startsWith(prefix.endsWith('.') ? prefix : `${prefix}.`);

export function kindOf(sopClassUid: string, hasPixels: boolean, transferSyntaxUid = ''): ObjectKind {
  if (VIDEO_SYNTAX.test(transferSyntaxUid)) return 'video';
  if (sopClassUid.startsWith(STORAGE)) {
    const rest = sopClassUid.slice(STORAGE.length);
    const found = PREFIXES.find(([prefix]) => matches(rest, prefix));
    // A video class can hold ordinary multi-frame images in an image syntax; those can be shown.
    if (found && !(found[1] === 'video' && hasPixels)) return found[1];
  }
  return hasPixels ? 'image' : 'unknown';
}

/** Modalities whose series hold no images, told before any metadata is here. */
const WITHOUT_IMAGES = new Set([
  'SR',
  'KO',
  'PR',
  'DOC',
  'SEG',
  'RTSTRUCT',
  'RTPLAN',
  'RTRECORD',
  'REG',
  'FID',
  'RWV',
  'ECG',
  'EPS',
  'HD',
  'AU',
  'PLAN',
  'STAIN',
  'TEXTUREMAP',
  'ANN',
  'M3D',
  'SM',
]);

export const mayHoldImages = (modality: string): boolean => !WITHOUT_IMAGES.has(modality);
