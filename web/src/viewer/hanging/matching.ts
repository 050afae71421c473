/** Which protocol is for a study, what goes where by it, and why. Pure. */
import type { PatientAndStudy } from '../data/frames';
import type { Picture } from './facts';
import { OWNERS, type Protocol, type Selector } from './protocol';

/** What a study is about, as the server says. */
export interface Subject {
  modalities: readonly string[];
  regions: readonly string[];
  sides: readonly string[];
  procedures: readonly { value: string; scheme: string; meaning: string }[];
}

export interface SubjectWithPictures extends Subject {
  /** Whose images they are, as one of them says. */
  patient: PatientAndStudy | null;
  pictures: readonly Picture[];
}

export const REASON_KINDS = ['procedure', 'region', 'side', 'modality', 'priors', 'filled'] as const;
export type ReasonKind = (typeof REASON_KINDS)[number];

/** A reason for or against a protocol, and what it is about: `region`, `chest`. */
export interface Reason {
  kind: ReasonKind;
  about: string;
}

const WEIGHTS: Record<ReasonKind, number> = {
  procedure: 8,
  region: 4,
  side: 2,
  modality: 1,
  priors: 3,
  filled: 4,
};

export interface Match {
  protocol: Protocol;
  score: number;
  reasons: Reason[];
  /** What goes into each viewport; null where nothing does. */
  pictures: (Picture | null)[];
}

export interface Mismatch {
  protocol: Protocol;
  /** What does not hold. */
  missing: Reason[];
  pictures: (Picture | null)[];
}

const common = (wanted: readonly string[], found: readonly string[]): string[] =>
  wanted.filter((each) => found.includes(each));

/** The conditions that hold, and those that do not; priors are looked at when they hang. */
export function weighConditions(
  { when }: Pick<Protocol, 'when'>,
  subject: Subject,
): { reasons: Reason[]; missing: Reason[] } {
  const reasons: Reason[] = [];
  const missing: Reason[] = [];
  const note = (kind: ReasonKind, wanted: readonly string[], found: readonly string[]): void => {
    if (wanted.length === 0) return;
    const about = found.length > 0 ? found : wanted;
    (found.length > 0 ? reasons : missing).push({ kind, about: about.join(', ') });
  };
  const procedures = when.procedures.filter(({ value, scheme }) =>
    subject.procedures.some((each) => each.value === value && each.scheme === scheme),
  );
  const meanings = (codes: Protocol['when']['procedures']): string[] =>
    codes.map(({ meaning, value }) => meaning || value);
  note('procedure', meanings(when.procedures), meanings(procedures));
  note('region', when.regions, common(when.regions, subject.regions));
  const sides = when.laterality === 'B' ? ['L', 'R'] : [when.laterality];
  const isOfSide = sides.every((side) => subject.sides.includes(side));
  if (when.laterality !== '') note('side', [when.laterality], isOfSide ? [when.laterality] : []);
  note('modality', when.modalities, common(when.modalities, subject.modalities));
  return { reasons, missing };
}

export function isSelected(selector: Selector, picture: Picture): boolean {
  const { thickness } = selector;
  return (
    (selector.modality === '' || selector.modality === picture.modality) &&
    (selector.plane === '' || selector.plane === picture.plane) &&
    (selector.views.length === 0 || selector.views.includes(picture.view)) &&
    (selector.laterality === '' || selector.laterality === picture.laterality) &&
    (selector.weighting === '' || selector.weighting === picture.weighting) &&
    (selector.hasContrast === null || selector.hasContrast === picture.hasContrast) &&
    selector.imageType.every((value) => picture.imageType.includes(value)) &&
    (thickness === null ||
      (picture.thickness !== null && picture.thickness >= thickness[0] && picture.thickness <= thickness[1]))
  );
}

/** Scouts last, then by number of the series; what comes in one series stays in its order. */
export function inOrder(pictures: readonly Picture[]): Picture[] {
  return [...pictures].sort(
    (a, b) =>
      Number(a.isLocalizer) - Number(b.isLocalizer) ||
      (a.seriesNumber ?? Number.MAX_SAFE_INTEGER) - (b.seriesNumber ?? Number.MAX_SAFE_INTEGER),
  );
}

/** How well a picture of a prior answers one of the current study. */
export function likeness(one: Picture, other: Picture): number {
  const same = (key: 'plane' | 'view' | 'laterality' | 'weighting' | 'hasContrast' | 'modality'): number =>
    one[key] === other[key] ? 1 : 0;
  const [thin, thick] = [one.thickness ?? 1, other.thickness ?? 1].sort((a, b) => a - b) as [number, number];
  const types = common(one.imageType, other.imageType).length / Math.max(1, one.imageType.length);
  return (
    8 * same('modality') +
    4 * (same('plane') + same('view') + same('laterality') + same('weighting')) +
    2 * same('hasContrast') +
    thin / thick +
    types
  );
}

const withoutPrior = (selector: Selector): string => JSON.stringify({ ...selector, prior: 0 });

/** What goes into each viewport. `studies` are the current one and the priors, in the order they are offered. */
export function choosePictures(
  { viewports }: Pick<Protocol, 'viewports'>,
  studies: readonly SubjectWithPictures[],
): (Picture | null)[] {
  const chosen: (Picture | null)[] = viewports.map(() => null);
  const matching = (selector: Selector): Picture[] =>
    inOrder((studies[selector.prior]?.pictures ?? []).filter((picture) => isSelected(selector, picture)));
  viewports.forEach(({ selector }, at) => {
    if (selector?.prior === 0) chosen[at] = matching(selector)[selector.place] ?? null;
  });
  viewports.forEach(({ selector }, at) => {
    if (!selector || selector.prior === 0) return;
    const found = matching(selector);
    const answered = viewports.findIndex(
      (other) => other.selector?.prior === 0 && withoutPrior(other.selector) === withoutPrior(selector),
    );
    const current = answered < 0 ? null : chosen[answered];
    if (!current) {
      chosen[at] = found[selector.place] ?? null;
      return;
    }
    // The one that answers best what hangs of the current study; not one that hangs already.
    const free = found.filter((picture) => !chosen.includes(picture));
    const best = Math.max(...free.map((picture) => likeness(current, picture)));
    chosen[at] = free.find((picture) => likeness(current, picture) === best) ?? null;
  });
  return chosen;
}

/** Whether a protocol is for a study. The first of `studies` is the current one. */
export function weigh(protocol: Protocol, studies: readonly SubjectWithPictures[]): Match | Mismatch {
  const [current] = studies;
  const pictures = choosePictures(protocol, studies);
  const { reasons, missing }: { reasons: Reason[]; missing: Reason[] } = current
    ? weighConditions(protocol, current)
    : { reasons: [], missing: [{ kind: 'filled', about: '0' }] };
  const shown = new Set(
    pictures.flatMap((picture, at) =>
      picture && (protocol.viewports[at]?.selector?.prior ?? 0) > 0 ? [picture.studyInstanceUid] : [],
    ),
  );
  if (shown.size < protocol.when.priors)
    missing.push({ kind: 'priors', about: String(protocol.when.priors) });
  else if (shown.size > 0) reasons.push({ kind: 'priors', about: String(shown.size) });
  const filled = pictures.filter((picture) => picture !== null).length;
  const wanted = protocol.viewports.filter(({ selector }) => selector !== null).length;
  if (filled < Math.max(1, protocol.atLeast)) missing.push({ kind: 'filled', about: `${filled}/${wanted}` });
  if (missing.length > 0) return { protocol, missing, pictures };
  reasons.push({ kind: 'filled', about: `${filled}/${wanted}` });
  const score = reasons.reduce((sum, { kind, about }) => {
    if (kind === 'filled') return sum + (WEIGHTS.filled * filled) / Math.max(1, wanted);
    return sum + WEIGHTS[kind] * (kind === 'priors' ? Number(about) : 1);
  }, 0);
  return { protocol, score, reasons, pictures };
}

export const isMatch = (weighed: Match | Mismatch): weighed is Match => 'score' in weighed;

/** The protocols that are for a study, best first: a person's before the site's, those before what is built in. */
export function rank(
  protocols: readonly Protocol[],
  studiesFor: (protocol: Protocol) => readonly SubjectWithPictures[],
): Match[] {
  return protocols
    .map((protocol) => weigh(protocol, studiesFor(protocol)))
    .filter(isMatch)
    .sort(
      (a, b) =>
        OWNERS.indexOf(a.protocol.owner) - OWNERS.indexOf(b.protocol.owner) ||
        // The order of a person's and of the site's own is theirs; what is built in is chosen by how well it fits.
        (a.protocol.owner === 'builtIn' ? b.score - a.score : 0),
    );
}

/** Priors that a protocol can show: those with a modality that it asks of them. */
export function priorsFor<Prior extends { modalities: readonly string[] }>(
  { viewports, when }: Pick<Protocol, 'viewports' | 'when'>,
  priors: readonly Prior[],
): Prior[] {
  const asked = viewports.flatMap(({ selector }) =>
    selector && selector.prior > 0 ? [selector.modality] : [],
  );
  const wanted = asked.includes('') ? when.modalities : asked;
  return priors.filter(({ modalities }) => wanted.length === 0 || common(wanted, modalities).length > 0);
}
