/** Changes of a rule that a reader makes by hand, and what keeps it from being kept. Pure. */
import { layoutOf, shapeOf, type Shape } from '../state/layout';
import { EMPTY, NAME_MAX, type Rule, type Viewport } from './protocol';

/** The rule in another layout: what a viewport shows stays in its row and column. */
export function relaid(rule: Rule, shape: Shape): Rule {
  const before = shapeOf(rule.layout);
  const viewports = Array.from({ length: shape.rows * shape.columns }, (_, at): Viewport => {
    const [row, column] = [Math.floor(at / shape.columns), at % shape.columns];
    const isThere = row < before.rows && column < before.columns;
    return (isThere && rule.viewports[row * before.columns + column]) || EMPTY;
  });
  return withinBounds({ ...rule, layout: layoutOf(shape), viewports });
}

export const withViewport = (rule: Rule, at: number, change: Partial<Viewport>): Rule =>
  withinBounds({
    ...rule,
    viewports: rule.viewports.map((each, index) => (index === at ? { ...each, ...change } : each)),
  });

export const filledOf = ({ viewports }: Pick<Rule, 'viewports'>): number =>
  viewports.filter(({ selector }) => selector !== null).length;

/** No more viewports must be filled than there is something for. */
const withinBounds = (rule: Rule): Rule => ({
  ...rule,
  atLeast: Math.max(1, Math.min(rule.atLeast, filledOf(rule))),
});

/** A rule under another name that is no longer than a name may be. */
export const named = (rule: Rule, name: string): Rule => ({ ...rule, name: name.slice(0, NAME_MAX) });

export const PROBLEMS = ['noName', 'tooWide', 'showsNothing', 'oneVolume', 'thicknesses'] as const;
export type Problem = (typeof PROBLEMS)[number];

/** Why a rule cannot be kept; the server would refuse it. */
export function problemOf(rule: Rule): Problem | null {
  const { when, viewports } = rule;
  if (rule.name.trim() === '') return 'noName';
  if (when.modalities.length === 0 && when.regions.length === 0) return 'tooWide';
  if (filledOf(rule) === 0) return 'showsNothing';
  if (viewports.filter(({ reformat }) => reformat?.kind === 'volume').length > 1) return 'oneVolume';
  const isWrong = viewports.some(({ selector }) => {
    const thickness = selector?.thickness;
    return thickness && thickness[0] > thickness[1];
  });
  return isWrong ? 'thicknesses' : null;
}

/** A list with one of its entries at another place. */
export function moved<Item>(items: readonly Item[], from: number, to: number): Item[] {
  const rest = items.filter((_, at) => at !== from);
  const item = items[from];
  return item === undefined ? rest : [...rest.slice(0, to), item, ...rest.slice(to)];
}
