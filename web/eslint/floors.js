/**
 * The floors of web/: `lib` below `ui, api` below `features, viewer` below `app`.
 * Imports point down, features do not see each other, and only `viewer/` imports Cornerstone.
 */
import path from 'node:path';

const FLOORS = { lib: 0, ui: 1, api: 1, features: 2, viewer: 2, app: 3 };

/** The room a file of src/ lies in: `features/study` for src/features/study/Page.tsx; null outside the floors. */
export function roomOf(sourceRoot, file) {
  const relative = path.relative(sourceRoot, file).split(path.sep);
  const [first, second] = relative;
  if (!(first in FLOORS)) return null;
  return first === 'features'
    ? { floor: FLOORS[first], name: `features/${second}` }
    : { floor: FLOORS[first], name: first };
}

/** Why `from` may not import `specifier`, or null when it may. */
export function reasonAgainst(sourceRoot, from, specifier) {
  const here = roomOf(sourceRoot, from);
  if (specifier.startsWith('@cornerstonejs/') || specifier.startsWith('@kitware/')) {
    return here?.name === 'viewer' ? null : `Only viewer/ imports ${specifier}.`;
  }
  const target = specifier.startsWith('@/')
    ? path.join(sourceRoot, specifier.slice(2))
    : specifier.startsWith('.')
      ? path.resolve(path.dirname(from), specifier)
      : null;
  if (target === null || here === null) return null;
  const there = roomOf(sourceRoot, target);
  if (there === null || there.name === here.name) return null;
  if (there.floor > here.floor) return `${here.name} lies below ${there.name} and must not import it.`;
  if (there.floor === here.floor)
    return `${here.name} and ${there.name} lie on one floor and do not see each other.`;
  return null;
}

const rule = {
  meta: { type: 'problem', schema: [], docs: { description: 'Imports point down the floors of web/.' } },
  create(context) {
    const sourceRoot = path.join(context.cwd, 'src');
    const check = (node) => {
      if (!node.source || typeof node.source.value !== 'string') return;
      const reason = reasonAgainst(sourceRoot, context.filename, node.source.value);
      if (reason) context.report({ node: node.source, message: reason });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};

export default { rules: { floors: rule } };
