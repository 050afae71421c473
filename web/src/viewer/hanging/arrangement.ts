/** What the reader arranged, as far as a rule can say it. */
import type { QueryClient } from '@tanstack/react-query';
import { hangingSubjectQuery } from '@/api/hanging';
import { useSpace } from '../state/space';
import { panesOf, stackOf, useViewer } from '../state/store';
import { type Picture, picturesOf } from './facts';
import { withPictures } from './hang';
import type { SubjectWithPictures } from './matching';
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

export interface Seen {
  arrangement: Arrangement;
  studies: SubjectWithPictures[];
  /** Viewports, from 1, whose content no rule can name: planes cut by the viewer, reports. */
  unnamed: number[];
}

export async function seeArrangement(queries: QueryClient): Promise<Seen> {
  const state = useViewer.getState();
  const { links, sizing, fusion } = useSpace.getState();
  const shown = panesOf(state.layout).map((id) => ({ pane: state.panes[id], stack: stackOf(state, id) }));
  const priors = shown.flatMap(({ stack }) =>
    stack && stack.studyInstanceUid !== state.studyInstanceUid ? [stack.studyInstanceUid] : [],
  );
  const uids = [state.studyInstanceUid, ...new Set(priors)];
  const studies = await Promise.all(
    uids.map(async (uid) => withPictures(await queries.query(hangingSubjectQuery(uid)))),
  );
  const unnamed: number[] = [];
  const panes = shown.map(({ pane, stack }, at): Stood | null => {
    if (pane.displaySetId === null) return null;
    const prior = stack ? uids.indexOf(stack.studyInstanceUid) : -1;
    const all = stack ? picturesOf([stack]) : [];
    const frame = stack?.frames[pane.index];
    const own =
      all.length > 1
        ? all.find(({ sopInstanceUid }) => sopInstanceUid === frame?.instance.sopInstanceUid)
        : all[0];
    const picture = own && known(own, studies[prior]?.pictures ?? []);
    if (!picture) {
      unnamed.push(at + 1);
      return null;
    }
    const { voi, isInverted } = pane;
    const window =
      voi.kind === 'set' && voi.voi.width >= 1 ? { center: voi.voi.center, width: voi.voi.width } : null;
    return { prior, picture, window, isInverted };
  });
  return {
    arrangement: { layout: state.layout, panes, sizing, links, hasFusion: fusion !== null },
    studies,
    unnamed,
  };
}
