/** What the reader arranged, as far as a rule can say it. */
import type { QueryClient } from '@tanstack/react-query';
import { hangingSubjectQuery } from '@/api/hanging';
import type { StackDisplaySet } from '../data/displaySets';
import { basesOf, isStraight } from '../data/planes';
import { regularityOf } from '../data/volume';
import { useRendering } from '../rendering/state';
import { useSpace } from '../state/space';
import { type PaneId, panesOf, stackOf, useViewer } from '../state/store';
import { type Picture, picturesOf } from './facts';
import { withPictures } from './hang';
import type { SubjectWithPictures } from './matching';
import type { Reformat } from './protocol';
import type { Arrangement, Stood } from './remember';

/** A picture of the viewer among those that the server told of its study. */
function known(own: Picture, pictures: readonly Picture[]): Picture | null {
  const series = pictures.filter(({ seriesInstanceUid }) => seriesInstanceUid === own.seriesInstanceUid);
  if (series.length <= 1) return series[0] ?? null;
  return (
    series.find(({ sopInstanceUid }) => sopInstanceUid === own.sopInstanceUid) ??
    series.find(({ isLocalizer, isSingle }) => !isSingle && isLocalizer === own.isLocalizer) ??
    null
  );
}

/** What the viewer made of a stack; `turned` where no rule could say how its planes lie. */
function reformatOf(id: PaneId, shown: StackDisplaySet, source: StackDisplaySet): Reformat | null | 'turned' {
  const { sourceId, pane, scene } = useRendering.getState();
  const isRendered = sourceId === source.id && (pane ?? useViewer.getState().active) === id;
  if (isRendered) return { kind: 'volume', preset: scene?.preset ?? '' };
  const { derived } = shown;
  if (!derived) return null;
  const found = regularityOf(source.frames);
  const { plane, basis, slab, intervalMm } = derived;
  if (found.kind !== 'regular' || !isStraight(basis, basesOf(found.grid)[plane])) return 'turned';
  return { kind: 'plane', plane, thickness: slab.thicknessMm, interval: intervalMm, mode: slab.mode };
}

export interface Seen {
  arrangement: Arrangement;
  studies: SubjectWithPictures[];
  /** Viewports, from 1, whose content no rule can name: planes that were turned, reports. */
  unnamed: number[];
}

export async function seeArrangement(queries: QueryClient): Promise<Seen> {
  const state = useViewer.getState();
  const { links, sizing, fusion } = useSpace.getState();
  const shown = panesOf(state.layout).map((id) => {
    const own = stackOf(state, id);
    const source = own?.derived ? state.displaySets[own.derived.sourceId] : own;
    const stack = source?.kind === 'stack' ? source : null;
    return { pane: state.panes[id], stack, reformat: own && stack && reformatOf(id, own, stack) };
  });
  const priors = shown.flatMap(({ stack }) =>
    stack && stack.studyInstanceUid !== state.studyInstanceUid ? [stack.studyInstanceUid] : [],
  );
  const uids = [state.studyInstanceUid, ...new Set(priors)];
  const studies = await Promise.all(
    uids.map(async (uid) => withPictures(await queries.query(hangingSubjectQuery(uid)))),
  );
  const unnamed: number[] = [];
  const panes = shown.map(({ pane, stack, reformat }, at): Stood | null => {
    if (pane.displaySetId === null) return null;
    const prior = stack ? uids.indexOf(stack.studyInstanceUid) : -1;
    const all = stack ? picturesOf([stack]) : [];
    const frame = stack?.frames[pane.index];
    const own =
      all.length > 1
        ? all.find(({ sopInstanceUid }) => sopInstanceUid === frame?.instance.sopInstanceUid)
        : all[0];
    const picture = own && known(own, studies[prior]?.pictures ?? []);
    if (!picture || reformat === 'turned') {
      unnamed.push(at + 1);
      return null;
    }
    const { voi, isInverted } = pane;
    const window =
      voi.kind === 'set' && voi.voi.width >= 1 ? { center: voi.voi.center, width: voi.voi.width } : null;
    return { prior, picture, window, isInverted, reformat };
  });
  return {
    arrangement: { layout: state.layout, panes, sizing, links, hasFusion: fusion !== null },
    studies,
    unnamed,
  };
}
