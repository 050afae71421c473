/** What has changed between the marks that the server has and those on the screen, in pieces that can be sent. */
import type { Annotation } from './model';
import { forWire } from './wire';

export interface Differences {
  changed: Annotation[];
  removed: string[];
}

export type Known = ReadonlyMap<string, Annotation>;

export const knownOf = (items: readonly Annotation[]): Map<string, Annotation> =>
  new Map(items.map((each) => [each.uid, each]));

/** A mark is never changed in place: another object is another state of it. */
export function differences(known: Known, items: readonly Annotation[]): Differences {
  const now = new Set(items.map(({ uid }) => uid));
  return {
    changed: items.filter((each) => known.get(each.uid) !== each),
    removed: [...known.keys()].filter((uid) => !now.has(uid)),
  };
}

export const isNothing = ({ changed, removed }: Differences): boolean =>
  changed.length === 0 && removed.length === 0;

const REMOVED_AT_ONCE = 500;

/** As many pieces as are needed for each to stay below `mostBytes`; a mark that is larger goes alone. */
export function inPieces({ changed, removed }: Differences, mostBytes: number): Differences[] {
  const pieces: Differences[] = [];
  let piece: Differences = { changed: [], removed: removed.slice(0, REMOVED_AT_ONCE) };
  let bytes = piece.removed.length * 68;
  for (const annotation of changed) {
    const size = new TextEncoder().encode(JSON.stringify(forWire(annotation))).length;
    if (bytes + size > mostBytes && !isNothing(piece)) {
      pieces.push(piece);
      piece = { changed: [], removed: [] };
      bytes = 0;
    }
    piece.changed.push(annotation);
    bytes += size;
  }
  if (!isNothing(piece)) pieces.push(piece);
  for (let at = REMOVED_AT_ONCE; at < removed.length; at += REMOVED_AT_ONCE)
    pieces.push({ changed: [], removed: removed.slice(at, at + REMOVED_AT_ONCE) });
  return pieces;
}

/** The marks after others have changed and removed some; the order stays, what is new comes last. */
export function merged(
  items: readonly Annotation[],
  changed: readonly Annotation[],
  removed: readonly string[],
): Annotation[] {
  const byUid = knownOf(changed);
  const gone = new Set(removed);
  const kept = items
    .filter(({ uid }) => !gone.has(uid) || byUid.has(uid))
    .map((each) => byUid.get(each.uid) ?? each);
  const there = new Set(items.map(({ uid }) => uid));
  return [...kept, ...changed.filter(({ uid }) => !there.has(uid))];
}
