/** Look-up tables as they lie in data sets: palettes, Modality LUT, VOI LUT (PS3.3 C.7.9, C.11.1, C.11.2). */
import { type DicomJson, inlineBytes, numbers, text } from '../data/dicomJson';

export interface LookupTable {
  /** Stored value that maps to the first entry; everything below maps to it too. */
  first: number;
  bitsPerEntry: number;
  entries: Uint8Array | Uint16Array;
  explanation: string;
}

interface Descriptor {
  count: number;
  first: number;
  bits: number;
}

/** The second value is signed when pixels are, and writers disagree on its VR: 65535 is -1 for signed pixels. */
export function readDescriptor(dataset: DicomJson, tag: string, isSigned: boolean): Descriptor | null {
  const found = numbers(dataset, tag);
  if (found?.length !== 3) return null;
  const [count, first, bits] = found as [number, number, number];
  return {
    count: count === 0 ? 65_536 : count < 0 ? count + 65_536 : count,
    first: isSigned && first > 32_767 ? first - 65_536 : !isSigned && first < 0 ? first + 65_536 : first,
    bits,
  };
}

/** 16-bit words of a table's bytes; 8-bit entries may be packed one to a byte or one to a word. */
export function entriesFromBytes(bytes: Uint8Array, count: number, bits: number): Uint8Array | Uint16Array {
  if (bits <= 8 && bytes.length < count * 2) return bytes.slice(0, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = new Uint16Array(Math.min(count, bytes.length >> 1));
  for (let index = 0; index < words.length; index += 1) words[index] = view.getUint16(index * 2, true);
  return words;
}

const TABLE_DATA = '00283006';
const known = new WeakMap<DicomJson, LookupTable>();

/** The table of a LUT item; null when it has none, or when its data lie apart and have not been fetched. */
export function readTable(item: DicomJson, isSigned: boolean): LookupTable | null {
  const found = known.get(item);
  if (found) return found;
  const descriptor = readDescriptor(item, '00283002', isSigned);
  if (!descriptor) return null;
  const words = numbers(item, TABLE_DATA);
  const bytes = inlineBytes(item, TABLE_DATA);
  let entries: Uint8Array | Uint16Array;
  if (words) entries = Uint16Array.from(words.slice(0, descriptor.count));
  else if (bytes) entries = entriesFromBytes(bytes, descriptor.count, descriptor.bits);
  else return null;
  if (entries.length === 0) return null;
  const table: LookupTable = {
    first: descriptor.first,
    bitsPerEntry: bitsUsed(entries, descriptor.bits),
    entries,
    explanation: text(item, '00283003'),
  };
  known.set(item, table);
  return table;
}

/** Fetches what the metadata only refer to: tables longer than a kilobyte are bulk data. */
export async function fetchTables(
  tables: DicomJson[],
  fetchBulk: (uri: string) => Promise<Uint8Array>,
): Promise<void> {
  await Promise.all(
    tables.map(async (item) => {
      const element = item[TABLE_DATA];
      if (element?.BulkDataURI && !element.bytes) element.bytes = await fetchBulk(element.BulkDataURI);
    }),
  );
}

/** Some writers say 16 bits and use 8 or 12: an image through such a table would be black. */
function bitsUsed(entries: Uint8Array | Uint16Array, stated: number): number {
  let largest = 0;
  for (const entry of entries) if (entry > largest) largest = entry;
  const needed = Math.max(1, 32 - Math.clz32(largest));
  if (stated < needed) return needed;
  return stated === 16 && needed <= 8 ? 8 : stated;
}

export function tableValue(table: LookupTable, value: number): number {
  const index = Math.min(table.entries.length - 1, Math.max(0, Math.round(value) - table.first));
  return table.entries[index] ?? 0;
}

export interface Palette {
  red: PaletteChannel;
  green: PaletteChannel;
  blue: PaletteChannel;
}
export interface PaletteChannel {
  first: number;
  /** Eight bits an entry, ready for the screen. */
  entries: Uint8Array;
}

/** A palette's channel in eight bits. 16-bit palettes keep the byte that matters most. */
export function paletteChannel(raw: Uint8Array, count: number, first: number, bits: number): PaletteChannel {
  const wide = entriesFromBytes(raw, count, bits);
  const entries = new Uint8Array(wide.length);
  // Writers that state 16 bits but fill 8 are told by their largest entry.
  let largest = 0;
  for (const entry of wide) if (entry > largest) largest = entry;
  const shift = largest > 255 ? 8 : 0;
  for (let index = 0; index < wide.length; index += 1) entries[index] = (wide[index] ?? 0) >> shift;
  return { first, entries };
}

/** Segmented palette data (PS3.3 C.7.9.2): discrete, linear and indirect segments of 16-bit words. */
export function expandSegmented(raw: Uint8Array, count: number, bits: number): Uint16Array {
  const words = entriesFromBytes(raw, raw.length, Math.max(bits, bits <= 8 ? 8 : 16));
  const output = new Uint16Array(count);
  let to = 0;
  let last = 0;
  const put = (value: number): void => {
    if (to < count) output[to] = value;
    to += 1;
    last = value;
  };
  const run = (start: number, segmentsLeft: number, depth: number): number => {
    let at = start;
    for (let left = segmentsLeft; left > 0 && at + 1 < words.length && to < count; left -= 1) {
      const opcode = words[at] ?? 0;
      const length = words[at + 1] ?? 0;
      at += 2;
      if (opcode === 0) {
        for (let index = 0; index < length; index += 1) put(words[at + index] ?? 0);
        at += length;
      } else if (opcode === 1) {
        const from = last;
        const target = words[at] ?? 0;
        for (let index = 1; index <= length; index += 1)
          put(Math.round(from + ((target - from) * index) / length));
        at += 1;
      } else if (opcode === 2 && depth === 0) {
        const offset = (words[at] ?? 0) | ((words[at + 1] ?? 0) << 16);
        run(offset, length, 1);
        at += 2;
      } else {
        return at;
      }
    }
    return at;
  };
  run(0, Number.MAX_SAFE_INTEGER, 0);
  return output;
}
