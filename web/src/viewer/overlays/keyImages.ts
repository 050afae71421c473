/** Key Object Selection documents as the metadata hold them (PS3.16 TID 2010): which images, why, and by whom. */
import { type DicomJson, items, numbers, personName, text } from '../data/dicomJson';

export interface KeyImage {
  sopInstanceUid: string;
  /** From 1; none is the whole instance. */
  frameNumbers: number[];
}

export interface KeyObjects {
  sopInstanceUid: string;
  title: string;
  description: string;
  author: string;
  contentDate: string;
  contentTime: string;
  images: KeyImage[];
}

const conceptOf = (item: DicomJson, tag = '0040A043'): string => text(items(item, tag)[0], '00080100');

export function readKeyObjects(dataset: DicomJson): KeyObjects {
  const content = items(dataset, '0040A730');
  const found = (code: string): DicomJson | undefined => content.find((item) => conceptOf(item) === code);
  const name = personName(found('121008'), '0040A123');
  return {
    sopInstanceUid: text(dataset, '00080018'),
    title: text(items(dataset, '0040A043')[0], '00080104'),
    description: text(found('113012'), '0040A160'),
    author: (name.alphabetic ?? '').replaceAll('^', ' ').trim(),
    contentDate: text(dataset, '00080023'),
    contentTime: text(dataset, '00080033'),
    images: content
      .filter((item) => text(item, '0040A040') === 'IMAGE')
      .flatMap((item) => items(item, '00081199'))
      .map((reference) => ({
        sopInstanceUid: text(reference, '00081155'),
        frameNumbers: numbers(reference, '00081160') ?? [],
      }))
      .filter((image) => image.sopInstanceUid !== ''),
  };
}

/** Marked images as the server takes them: one entry an instance, frames in order, none when it has but one. */
export function asKeyImages(
  marked: readonly { sopInstanceUid: string; frameNumber: number; numberOfFrames: number }[],
): KeyImage[] {
  const byUid = new Map<string, Set<number>>();
  for (const { sopInstanceUid, frameNumber, numberOfFrames } of marked) {
    const frames = byUid.get(sopInstanceUid) ?? new Set<number>();
    if (numberOfFrames > 1) frames.add(frameNumber);
    byUid.set(sopInstanceUid, frames);
  }
  return [...byUid].map(([sopInstanceUid, frames]) => ({
    sopInstanceUid,
    frameNumbers: [...frames].sort((a, b) => a - b),
  }));
}
