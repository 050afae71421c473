/** Hangs a study by a protocol: chooses it, fetches the series that hang and no others, arranges the viewports. */
import type { QueryClient } from '@tanstack/react-query';
import {
  type HangingOwner,
  hangingProtocolsQuery,
  type HangingRule,
  type HangingSubject,
  hangingSubjectQuery,
} from '@/api/hanging';
import { loadPreferences } from '@/api/preferences';
import { priorsQuery } from '@/api/priors';
import { DICOMWEB_ROOT } from '../data/dicomweb';
import type { DicomJson } from '../data/dicomJson';
import { type DisplaySet, splitSeries } from '../data/displaySets';
import { readPatientAndStudy } from '../data/frames';
import { asFailure } from '../data/errors';
import { ensureSeries } from '../data/opening';
import { textNow } from '../i18n';
import { viewChoice } from '../prefs/view';
import { usePriors } from '../priors/hanging';
import { isSamePatient } from '../priors/matching';
import { addPriorSets, loadPriorSeries } from '../priors/loading';
import type { Layout } from '../state/layout';
import { useSpace } from '../state/space';
import {
  type Hung,
  hangPanes,
  OWN_VOI,
  panesOf,
  stackOf,
  useViewer,
  type ViewerState,
  visiblePanes,
} from '../state/store';
import { regularityOf } from '../data/volume';
import { closeRendering, openRendering } from '../rendering/state';
import { noticeOf } from '../tools/notices';
import { setSizing } from '../tools/sizes';
import { loadPlanes, tell, toggleFusion } from '../tools/spatial';
import { engineIfLoaded } from '../tools/withEngine';
import { builtIn } from './builtIn';
import { hangingChoice } from './choice';
import { type Picture, picturesOf } from './facts';
import {
  type Match,
  type Mismatch,
  priorsFor,
  rank,
  type SubjectWithPictures,
  weigh,
  weighConditions,
} from './matching';
import { NO_LINKS, type Protocol, priorsShown, type Rule, type Viewport } from './protocol';
import { useHanging } from './state';

/** Priors that are looked at at most; each costs a request. */
const PRIORS_MAX = 3;

export function withPictures(subject: HangingSubject): SubjectWithPictures {
  const series = subject.series.map(({ samples }) => samples as unknown as DicomJson[]);
  const [first] = series.flat();
  return {
    ...subject,
    patient: first ? readPatientAndStudy(first) : null,
    pictures: picturesOf(series.flatMap((samples) => splitSeries(samples, DICOMWEB_ROOT))),
  };
}

/** All protocols that are turned on, in the order in which they are asked. */
async function protocolsInUse(queries: QueryClient): Promise<Protocol[]> {
  const { off } = hangingChoice();
  // Without those that were kept, what is built in still hangs.
  const kept = await queries.query(hangingProtocolsQuery).catch(() => []);
  const own = kept.flatMap(({ id, owner, isOn, rule }): Protocol[] =>
    id !== null && owner !== 'archive' && isOn && rule
      ? [{ ...ruleFrom(rule), id: protocolId(owner, id), owner }]
      : [],
  );
  return [...own, ...builtIn((id) => textNow(`hanging.builtIn.${id}`)).filter(({ id }) => !off.includes(id))];
}

export const protocolId = (owner: HangingOwner, id: number): string => `${owner}:${id}`;

/** The server has checked it: its layout is one that the viewer has. */
export const ruleFrom = (said: HangingRule): Rule => said as unknown as Rule;

/** The current study and the priors that a protocol can show; of priors nothing is fetched that it does not ask for. */
async function studiesFor(
  queries: QueryClient,
  current: SubjectWithPictures,
  studyInstanceUid: string,
  protocol: Pick<Rule, 'viewports' | 'when'>,
): Promise<SubjectWithPictures[]> {
  const count = Math.min(PRIORS_MAX, priorsShown(protocol));
  if (count === 0) return [current];
  const priors = await queries.query(priorsQuery(studyInstanceUid));
  const able = priors
    .filter(({ isRelevant, isLater }) => isRelevant && !isLater)
    .map(({ study }) => ({ uid: study.studyInstanceUid, modalities: study.modalities }));
  const subjects = await Promise.all(
    priorsFor(protocol, able)
      .slice(0, count)
      .map(async ({ uid }) => withPictures(await queries.query(hangingSubjectQuery(uid)))),
  );
  return [
    current,
    ...subjects.filter(
      ({ patient }) => patient && current.patient && isSamePatient(current.patient, patient),
    ),
  ];
}

/** The protocols that are for a study, with what goes where. */
async function findMatches(
  queries: QueryClient,
  studyInstanceUid: string,
): Promise<{ subject: SubjectWithPictures; matches: Match[] }> {
  const all = await protocolsInUse(queries);
  const current = withPictures(await queries.query(hangingSubjectQuery(studyInstanceUid)));
  const possible = all.filter((protocol) => weighConditions(protocol, current).missing.length === 0);
  const studies = new Map(
    await Promise.all(
      possible.map(
        async (protocol) =>
          [protocol, await studiesFor(queries, current, studyInstanceUid, protocol)] as const,
      ),
    ),
  );
  return { subject: current, matches: rank(possible, (protocol) => studies.get(protocol) ?? []) };
}

/** What a rule would do with a study. */
export async function tryOn(
  queries: QueryClient,
  studyInstanceUid: string,
  rule: Rule,
): Promise<Match | Mismatch> {
  const current = withPictures(await queries.query(hangingSubjectQuery(studyInstanceUid)));
  const studies = await studiesFor(queries, current, studyInstanceUid, rule);
  return weigh({ ...rule, id: '', owner: 'person' }, studies);
}

/** After protocols changed: those that are for the study now; the one that was just kept hangs it. */
export async function findMatchesAnew(queries: QueryClient, kept: string | null): Promise<void> {
  const { studyInstanceUid } = useViewer.getState();
  const { matches: before, current } = useHanging.getState();
  const used = kept ?? (current === null ? null : (before[current]?.protocol.id ?? null));
  const { subject, matches } = await findMatches(queries, studyInstanceUid);
  if (useViewer.getState().studyInstanceUid !== studyInstanceUid) return;
  const at = matches.findIndex(({ protocol }) => protocol.id === used);
  useHanging.setState({ subject, matches, current: at < 0 ? null : at });
  if (kept !== null && at >= 0) await hangBy(at);
}

/** Fetches the series of the pictures; false when one is of another patient. */
async function fetchSeries(pictures: readonly (Picture | null)[], current: string): Promise<boolean> {
  const wanted = new Map(
    pictures.flatMap((picture) => (picture ? [[picture.seriesInstanceUid, picture] as const] : [])),
  );
  const loaded = await Promise.all(
    [...wanted.values()].map(
      async ({ studyInstanceUid, seriesInstanceUid }): Promise<DisplaySet[] | null> => {
        if (studyInstanceUid === current) return ensureSeries(seriesInstanceUid);
        const sets = await loadPriorSeries(studyInstanceUid, seriesInstanceUid);
        if (sets) addPriorSets(sets);
        return sets;
      },
    ),
  );
  return loaded.every((sets) => sets !== null);
}

function hungAs(state: ViewerState, picture: Picture | null, viewport: Viewport | undefined): Hung | null {
  if (!picture || !viewport) return null;
  for (const set of Object.values(state.displaySets)) {
    if (set.kind !== 'stack' || set.derived || set.seriesInstanceUid !== picture.seriesInstanceUid) continue;
    const index = set.frames.findIndex(({ instance }) => instance.sopInstanceUid === picture.sopInstanceUid);
    if (index < 0) continue;
    const { window, isInverted } = viewport;
    return {
      displaySetId: set.id,
      index: picture.isSingle ? index : 0,
      voi: window
        ? { kind: 'set', voi: { kind: 'window', shape: 'LINEAR', ...window, explanation: '' }, name: null }
        : OWN_VOI,
      isInverted,
    };
  }
  return null;
}

/** Cuts the planes that viewports ask for; a stack that is no volume hangs as it is, and it is said why. */
async function withPlanes(
  hung: readonly (Hung | null)[],
  viewports: readonly Viewport[],
): Promise<(Hung | null)[]> {
  if (!viewports.some(({ reformat }) => reformat?.kind === 'plane')) return [...hung];
  const { cutPlanes } = await loadPlanes();
  const { displaySets } = useViewer.getState();
  return hung.map((each, at) => {
    const cut = viewports[at]?.reformat;
    if (!each || cut?.kind !== 'plane') return each;
    const source = displaySets[each.displaySetId];
    if (source?.kind !== 'stack') return each;
    const { plane, thickness: thicknessMm, interval: intervalMm, mode } = cut;
    const found = cutPlanes(source, { plane, slab: { thicknessMm, mode }, intervalMm });
    if (found.kind === 'irregular') {
      tell(noticeOf(found.why));
      return each;
    }
    return { ...each, displaySetId: found.displaySetId, index: found.index };
  });
}

/** Renders the volume that a protocol asks for, in its viewport. */
function renderVolume({ layout, viewports }: Rule, hung: readonly (Hung | null)[]): void {
  const at = viewports.findIndex(({ reformat }) => reformat?.kind === 'volume');
  const { displaySets } = useViewer.getState();
  const source = displaySets[hung[at]?.displaySetId ?? ''];
  const pane = panesOf(layout)[at];
  const asked = viewports[at]?.reformat;
  if (source?.kind !== 'stack' || !pane || asked?.kind !== 'volume') return;
  const found = regularityOf(source.frames);
  if (found.kind === 'irregular') tell(noticeOf(found.why));
  else openRendering(source.id, pane, asked.preset === '' ? null : asked.preset);
}

/** How the study stood before a protocol hung it. */
let opened: { studyInstanceUid: string; layout: Layout; hung: (Hung | null)[] } | null = null;

function noteOpened(): void {
  const state = useViewer.getState();
  if (opened?.studyInstanceUid === state.studyInstanceUid) return;
  opened = {
    studyInstanceUid: state.studyInstanceUid,
    layout: state.layout,
    hung: panesOf(state.layout).map((id) => {
      const { displaySetId, index, voi, isInverted } = state.panes[id];
      // Planes that the reader cut are gone when nothing shows them: their stack comes back.
      const derived = stackOf(state, id)?.derived;
      if (derived) return { displaySetId: derived.sourceId, index: 0, voi, isInverted };
      return displaySetId === null ? null : { displaySetId, index, voi, isInverted };
    }),
  };
}

let isArranging = false;

/** Changes viewports in the name of a protocol; what listens to the reader's own changes leaves it alone. */
function arrange(layout: Layout, hung: readonly (Hung | null)[], protocol: Protocol | null): void {
  isArranging = true;
  try {
    hangPanes(layout, hung);
    closeRendering();
    if (engineIfLoaded()) void loadPlanes().then(({ joinPlanes }) => joinPlanes());
    if (protocol) renderVolume(protocol, hung);
    useSpace.setState({ links: protocol?.links ?? NO_LINKS, anchors: {} });
    setSizing(protocol?.sizing ?? 'fit');
    if ((useSpace.getState().fusion !== null) !== (protocol?.hasFusion ?? false)) void toggleFusion();
  } finally {
    isArranging = false;
  }
}

/** Hangs the study by one of the protocols that are for it; null is as it was opened. */
export async function hangBy(at: number | null): Promise<void> {
  const { studyInstanceUid } = useViewer.getState();
  noteOpened();
  const match = at === null ? null : useHanging.getState().matches[at];
  if (!match) {
    if (opened) arrange(opened.layout, opened.hung, null);
    useHanging.setState({ current: null });
    return;
  }
  try {
    const isOfPatient = await fetchSeries(match.pictures, studyInstanceUid);
    if (useViewer.getState().studyInstanceUid !== studyInstanceUid) return;
    const prior = match.pictures.find((picture) => picture && picture.studyInstanceUid !== studyInstanceUid);
    if (prior) {
      const { studyInstanceUid: uid } = prior;
      usePriors.setState({
        hanging: isOfPatient
          ? { kind: 'hung', studyInstanceUid: uid }
          : { kind: 'refused', studyInstanceUid: uid, reason: 'otherPatient' },
      });
    }
    const state = useViewer.getState();
    const { layout, viewports } = match.protocol;
    const stacks = match.pictures.map((picture, index) => hungAs(state, picture, viewports[index]));
    const hung = await withPlanes(stacks, viewports);
    if (useViewer.getState().studyInstanceUid !== studyInstanceUid) return;
    arrange(layout, hung, match.protocol);
    useHanging.setState({ current: at });
  } catch (error) {
    useSpace.setState({ notice: { text: `failure.${asFailure(error).kind}` } });
  }
}

/** The next or previous protocol that is for the study; among them is the study as it was opened. */
export function stepProtocol(step: 1 | -1): void {
  const { matches, current } = useHanging.getState();
  if (matches.length === 0) {
    useSpace.setState({ notice: { text: 'hanging.none' } });
    return;
  }
  const choices = [...matches.keys(), null];
  const next = choices[(choices.indexOf(current) + step + choices.length) % choices.length];
  void hangBy(next ?? null);
}

/** Whether the viewer shows the study as it was opened: the reader has not begun to arrange it. */
function isUntouched(state: ViewerState): boolean {
  const { pane1 } = state.panes;
  return (
    (state.layout === '1x1' || state.layout === viewChoice().layout) &&
    state.maximised === null &&
    pane1.attempt <= 1 &&
    pane1.index === 0 &&
    pane1.voi === OWN_VOI &&
    pane1.presentation.zoom === 1
  );
}

function firstImageShown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const isDone = (): boolean =>
      signal.aborted || ['ready', 'failed'].includes(useViewer.getState().panes.pane1.status.kind);
    if (isDone()) {
      resolve();
      return;
    }
    const finish = (): void => {
      stop();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const stop = useViewer.subscribe(() => {
      if (isDone()) finish();
    });
    signal.addEventListener('abort', finish);
  });
}

/** After the first image: finds the protocols that are for the study and hangs it by the best, if nobody arranged it. */
export async function hangOnOpening(
  queries: QueryClient,
  studyInstanceUid: string,
  mayHang: boolean,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([firstImageShown(signal), loadPreferences().catch(() => undefined)]);
  if (signal.aborted) return;
  const { subject, matches } = await findMatches(queries, studyInstanceUid);
  if (useViewer.getState().studyInstanceUid !== studyInstanceUid) return;
  useHanging.setState({ subject, matches });
  if (mayHang && hangingChoice().isAutomatic && matches.length > 0 && isUntouched(useViewer.getState()))
    await hangBy(0);
}

/** What the reader arranges anew is no longer hung by the protocol; the function returned stops listening. */
export function listenToArranging(): () => void {
  return useViewer.subscribe((now, before) => {
    if (isArranging || useHanging.getState().current === null) return;
    const isOther = now.layout !== before.layout || now.maximised !== before.maximised;
    if (!isOther && now.panes === before.panes) return;
    const isChanged = visiblePanes(now).some(
      (id) => now.panes[id].displaySetId !== before.panes[id].displaySetId,
    );
    if (now.layout !== before.layout || isChanged) useHanging.setState({ current: null });
  });
}
