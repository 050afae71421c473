/** Reading the DICOM JSON Model (PS3.18 F.2). Values are taken leniently: a number may arrive as text, a text padded. */

export interface DicomElement {
  vr: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
  /** Bulk data that have been fetched. */
  bytes?: Uint8Array;
}
export type DicomJson = Record<string, DicomElement | undefined>;

export function values(dataset: DicomJson | undefined, tag: string): unknown[] {
  const found = dataset?.[tag]?.Value;
  return Array.isArray(found) ? found : [];
}

export function text(dataset: DicomJson | undefined, tag: string): string {
  const first = values(dataset, tag)[0];
  if (typeof first === 'string') return first.trim();
  return typeof first === 'number' ? String(first) : '';
}

export function texts(dataset: DicomJson | undefined, tag: string): string[] {
  return values(dataset, tag)
    .filter((value): value is string | number => typeof value === 'string' || typeof value === 'number')
    .map((value) => String(value).trim());
}

function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'string' || value.trim() === '') return null;
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : null;
}

export function number(dataset: DicomJson | undefined, tag: string): number | null {
  return toNumber(values(dataset, tag)[0]);
}

/** All values as numbers; null when one of them is none, since half a vector is worse than no vector. */
export function numbers(dataset: DicomJson | undefined, tag: string): number[] | null {
  const found = values(dataset, tag).map(toNumber);
  return found.length > 0 && found.every((value): value is number => value !== null) ? found : null;
}

export function items(dataset: DicomJson | undefined, tag: string): DicomJson[] {
  return values(dataset, tag).filter((item): item is DicomJson => typeof item === 'object' && item !== null);
}

export interface PersonName {
  alphabetic?: string;
  ideographic?: string;
  phonetic?: string;
}

export function personName(dataset: DicomJson | undefined, tag: string): PersonName {
  const first = values(dataset, tag)[0];
  if (typeof first === 'string') return { alphabetic: first };
  if (typeof first !== 'object' || first === null) return {};
  const groups = first as { Alphabetic?: string; Ideographic?: string; Phonetic?: string };
  return {
    ...(groups.Alphabetic ? { alphabetic: groups.Alphabetic } : {}),
    ...(groups.Ideographic ? { ideographic: groups.Ideographic } : {}),
    ...(groups.Phonetic ? { phonetic: groups.Phonetic } : {}),
  };
}

/** Little-endian bytes that came inline, in base64, or have been fetched; null when they still lie elsewhere. */
export function inlineBytes(dataset: DicomJson | undefined, tag: string): Uint8Array | null {
  const element = dataset?.[tag];
  if (element?.bytes) return element.bytes;
  const encoded = element?.InlineBinary;
  if (encoded === undefined) return null;
  const binary = atob(encoded);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
