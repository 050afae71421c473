/** A palette's data from the metadata or from bulk data, as its writer chose. */
import { type DicomJson, inlineBytes, numbers, text } from '../data/dicomJson';
import { expandSegmented, type Palette, paletteChannel, type PaletteChannel, readDescriptor } from './tables';

const CHANNELS = [
  { descriptor: '00281101', data: '00281201', segmented: '00281221' },
  { descriptor: '00281102', data: '00281202', segmented: '00281222' },
  { descriptor: '00281103', data: '00281203', segmented: '00281223' },
] as const;

export type FetchBulk = (uri: string) => Promise<Uint8Array>;

/** Bytes of an OW attribute that came as numbers, inline or by reference. */
async function bytesOf(dataset: DicomJson, tag: string, fetchBulk: FetchBulk): Promise<Uint8Array | null> {
  const inline = inlineBytes(dataset, tag);
  if (inline) return inline;
  const words = numbers(dataset, tag);
  if (words) return new Uint8Array(Uint16Array.from(words).buffer);
  const uri = dataset[tag]?.BulkDataURI;
  return uri ? fetchBulk(uri) : null;
}

async function channelOf(
  dataset: DicomJson,
  tags: (typeof CHANNELS)[number],
  isSigned: boolean,
  fetchBulk: FetchBulk,
): Promise<PaletteChannel> {
  const descriptor = readDescriptor(dataset, tags.descriptor, isSigned);
  if (!descriptor) throw new Error('The palette has no descriptor.');
  const { count, first, bits } = descriptor;
  const plain = await bytesOf(dataset, tags.data, fetchBulk);
  if (plain) return paletteChannel(plain, count, first, bits);
  const segmented = await bytesOf(dataset, tags.segmented, fetchBulk);
  if (!segmented) throw new Error('The palette has no data.');
  return paletteChannel(new Uint8Array(expandSegmented(segmented, count, bits).buffer), count, first, 16);
}

export async function readPalette(
  dataset: DicomJson,
  isSigned: boolean,
  fetchBulk: FetchBulk,
): Promise<Palette> {
  if (text(dataset, '00280004') !== 'PALETTE COLOR') throw new Error('The image has no palette.');
  const [red, green, blue] = (await Promise.all(
    CHANNELS.map((tags) => channelOf(dataset, tags, isSigned, fetchBulk)),
  )) as [PaletteChannel, PaletteChannel, PaletteChannel];
  return { red, green, blue };
}
