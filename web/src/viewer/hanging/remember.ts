/** A rule from what the reader arranged: enough of each picture to find it again, and no more. Pure. */
import type { Layout } from '../state/layout';
import type { Picture } from './facts';
import { choosePictures, inOrder, isSelected, likeness, type SubjectWithPictures } from './matching';
import {
  ANYTHING,
  EMPTY,
  type HungWindow,
  type Reformat,
  type Rule,
  type Selector,
  type Sizing,
  type Viewport,
} from './protocol';

/** How a viewport stands; null where nothing hangs that a rule could name. */
export interface Stood {
  /** 0 is the current study. */
  prior: number;
  picture: Picture;
  window: HungWindow | null;
  isInverted: boolean;
  /** Planes cut from it, or its volume. */
  reformat: Reformat | null;
}

export interface Arrangement {
  layout: Layout;
  panes: readonly (Stood | null)[];
  sizing: Sizing;
  links: Rule['links'];
  hasFusion: boolean;
}

/** How far another thickness may be from the one that was seen. */
const THICKNESS_SHARE = 1.25;
const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Image Types that say nothing of what is shown. */
const COMMON_TYPES = new Set(['ORIGINAL', 'DERIVED', 'PRIMARY', 'SECONDARY', 'OTHER', 'NONE', '']);

/** What tells a picture from the others of its study: kind and geometry always, the rest only where it is needed. */
export function selectorOf(picture: Picture, all: readonly Picture[], prior: number): Selector {
  let selector: Selector = {
    ...ANYTHING,
    prior,
    modality: picture.modality,
    views: picture.isSingle && picture.view !== '' ? [picture.view] : [],
    laterality:
      picture.isSingle && (picture.laterality === 'L' || picture.laterality === 'R')
        ? picture.laterality
        : '',
    plane: picture.isSingle ? '' : picture.plane,
    weighting: picture.weighting,
  };
  const rivals = (): Picture[] => inOrder(all.filter((each) => isSelected(selector, each)));
  const others = (): Picture[] => rivals().filter((each) => each !== picture);
  const narrow = (change: Partial<Selector>): void => {
    const before = others().length;
    const wider = selector;
    selector = { ...selector, ...change };
    if (others().length === before) selector = wider;
  };
  if (others().length > 0) narrow({ hasContrast: picture.hasContrast });
  if (others().length > 0) {
    const own = picture.imageType.find(
      (value) => !COMMON_TYPES.has(value) && !others().some((each) => each.imageType.includes(value)),
    );
    if (own !== undefined) narrow({ imageType: [own] });
  }
  if (others().length > 0 && picture.thickness !== null)
    narrow({
      thickness: [rounded(picture.thickness / THICKNESS_SHARE), rounded(picture.thickness * THICKNESS_SHARE)],
    });
  return { ...selector, place: Math.max(0, rivals().indexOf(picture)) };
}

/** What a prior's picture answers: the selector of the current study's by which it would hang, else its own. */
function ofPrior(
  stood: Stood,
  current: readonly Viewport[],
  arrangement: Arrangement,
  studies: readonly SubjectWithPictures[],
): Selector {
  const answered = arrangement.panes
    .map((pane, at) => ({ pane, selector: current[at]?.selector ?? null }))
    .filter(({ pane }) => pane?.prior === 0)
    .sort((a, b) => likenessTo(stood, b.pane) - likenessTo(stood, a.pane));
  for (const { selector } of answered) {
    if (!selector) continue;
    const asked = { ...selector, prior: stood.prior };
    const [, hung] = choosePictures({ viewports: [selector, asked].map(asViewport) }, studies);
    if (hung === stood.picture) return asked;
  }
  return selectorOf(stood.picture, studies[stood.prior]?.pictures ?? [], stood.prior);
}

const likenessTo = (stood: Stood, other: Stood | null): number =>
  other ? likeness(other.picture, stood.picture) : -1;
const asViewport = (selector: Selector): Viewport => ({ ...EMPTY, selector });

/** The rule that would hang the study as it stands. `studies` are the current one and the priors that hang. */
export function ruleOf(
  arrangement: Arrangement,
  studies: readonly SubjectWithPictures[],
  name: string,
): Rule {
  const { panes } = arrangement;
  const current = panes.map((stood): Viewport => ({
    selector: stood?.prior === 0 ? selectorOf(stood.picture, studies[0]?.pictures ?? [], 0) : null,
    window: stood?.window ?? null,
    isInverted: stood?.isInverted ?? false,
    reformat: stood?.reformat ?? null,
  }));
  const viewports = panes.map((stood, at): Viewport => {
    const own = current[at] ?? asViewport(ANYTHING);
    return stood && stood.prior > 0
      ? { ...own, selector: ofPrior(stood, current, arrangement, studies) }
      : own;
  });
  const subject = studies[0];
  const modalities = [
    ...new Set(panes.flatMap((stood) => (stood?.prior === 0 ? [stood.picture.modality] : []))),
  ];
  return {
    name,
    when: {
      // What has PET is told by it: CT alone is another examination.
      modalities: modalities.includes('PT') ? ['PT'] : modalities,
      regions: subject?.regions ?? [],
      procedures: [],
      laterality: '',
      priors: new Set(panes.flatMap((stood) => (stood && stood.prior > 0 ? [stood.prior] : []))).size,
    },
    layout: arrangement.layout,
    viewports,
    atLeast: Math.max(1, Math.ceil(panes.filter((stood) => stood !== null).length / 2)),
    sizing: arrangement.sizing,
    links: arrangement.links,
    hasFusion: arrangement.hasFusion,
  };
}
