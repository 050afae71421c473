/** Protocols in words. */
import type { TextKey, Texts } from '../i18n';
import type { Reason } from './matching';
import {
  type Conditions,
  priorsShown,
  type Reformat,
  type Rule,
  type Selector,
  type Viewport,
} from './protocol';

export const regionInWords = (t: Texts, region: string): string =>
  t(`priors.region.${region.replace(' ', '')}` as TextKey);

const regionsInWords = (t: Texts, about: string): string =>
  about
    .split(', ')
    .map((region) => regionInWords(t, region))
    .join(', ');

export const sideInWords = (t: Texts, side: string): string =>
  side === 'L' || side === 'R' ? t(`priors.${side}`) : t('priors.both');

/** `chest`, `1 prior`, `4 of 4 viewports`. */
export function reasonInWords(t: Texts, { kind, about }: Reason): string {
  if (kind === 'region') return regionsInWords(t, about);
  if (kind === 'side') return sideInWords(t, about);
  if (kind === 'priors') return t('hanging.priors', { count: Number(about) });
  if (kind === 'filled') {
    const [filled = '', wanted = ''] = about.split('/');
    return t('hanging.filled', { filled, wanted });
  }
  return about;
}

/** `MR, axial, T2, with contrast, 4 to 6 mm, the 2nd`. */
export function selectorInWords(t: Texts, selector: Selector): string {
  const parts = [
    selector.modality,
    selector.laterality && sideInWords(t, selector.laterality),
    selector.views.join(' / '),
    selector.plane && t(`hanging.plane.${selector.plane}`),
    selector.weighting && t(`hanging.weighting.${selector.weighting}`),
    selector.hasContrast !== null && t(selector.hasContrast ? 'hanging.contrast' : 'hanging.noContrast'),
    selector.imageType.length > 0 && t('hanging.imageType', { values: selector.imageType.join(', ') }),
    selector.thickness && t('hanging.thickness', { from: selector.thickness[0], to: selector.thickness[1] }),
    selector.place > 0 && t('hanging.place', { number: selector.place + 1 }),
  ].filter(Boolean);
  const what = parts.join(', ') || t('hanging.anything');
  return selector.prior === 0 ? what : t('hanging.ofPrior', { what, number: selector.prior });
}

/** `Coronal planes, MIP 5 mm, 2 mm apart`, or `Volume, CT: bone`. */
export function reformatInWords(t: Texts, reformat: Reformat): string {
  if (reformat.kind === 'volume')
    return [t('rendering.title'), reformat.preset && t(`rendering.presets.${reformat.preset}`)]
      .filter(Boolean)
      .join(', ');
  const { plane, thickness, interval, mode } = reformat;
  return [
    t('hanging.cut', { plane: t(`planes.${plane}`) }),
    thickness > 0 && `${t(`planes.${mode}`)} ${t('planes.mm', { mm: thickness })}`,
    interval > 0 && t('hanging.apart', { mm: interval }),
  ]
    .filter(Boolean)
    .join(', ');
}

export function viewportInWords(t: Texts, { selector, window, isInverted, reformat }: Viewport): string {
  if (!selector) return t('hanging.nothing');
  const parts = [
    selectorInWords(t, selector),
    reformat && reformatInWords(t, reformat),
    window && t('hanging.window', { width: window.width, center: window.center }),
    isInverted && t('pane.inverted'),
  ];
  return parts.filter(Boolean).join('; ');
}

/** When it hangs: `CT or MR; chest; two priors`. */
export function conditionsInWords(t: Texts, when: Conditions): string {
  const or = (words: readonly string[]): string => words.join(` ${t('hanging.or')} `);
  const parts = [
    or(when.procedures.map(({ meaning, value }) => meaning || value)),
    or(when.modalities),
    or(when.regions.map((region) => regionInWords(t, region))),
    when.laterality && sideInWords(t, when.laterality),
    when.priors > 0 && t('hanging.priors', { count: when.priors }),
  ].filter(Boolean);
  return parts.length > 0 ? parts.join('; ') : t('hanging.always');
}

/** What a rule does beyond which picture goes where. */
export function togetherInWords(t: Texts, rule: Rule): string[] {
  return [
    rule.sizing !== 'fit' && t(`hanging.sizing.${rule.sizing}`),
    rule.links.place && t('actions.linkPlace'),
    rule.links.window && t('actions.linkWindow'),
    rule.links.view && t('actions.linkView'),
    rule.hasFusion && t('actions.fusion'),
    priorsShown(rule) > 0 && t('hanging.priorAnswers'),
  ].filter((each): each is string => typeof each === 'string');
}
