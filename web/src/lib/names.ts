/** Person names (PS3.5 6.2.1): component groups of family^given^middle^prefix^suffix. */

export interface NameGroups {
  alphabetic?: string | null;
  ideographic?: string | null;
  phonetic?: string | null;
}

const components = (group: string): string[] =>
  group.split('^').map((part) => part.trim().replaceAll(/\s+/g, ' '));

/** `Müller^Hans^Peter^Dr.^MD` as `Müller, Hans Peter, Dr. MD`: the family name first, since lists are sorted by it. */
export function formatAlphabetic(group: string): string {
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = components(group);
  const first = [given, middle].filter(Boolean).join(' ');
  const titles = [prefix, suffix].filter(Boolean).join(' ');
  return [family, first, titles].filter(Boolean).join(', ');
}

/** Ideographic and phonetic groups are written without a comma: `山田^太郎` as `山田 太郎`. */
export function formatOther(group: string): string {
  return components(group).filter(Boolean).join(' ');
}

export interface FormattedName {
  /** The name as the list shows it; empty when the study has none. */
  main: string;
  /** The same name in further scripts. */
  others: string[];
}

export function formatName(name: NameGroups | null | undefined): FormattedName {
  const alphabetic = formatAlphabetic(name?.alphabetic ?? '');
  const others = [name?.ideographic, name?.phonetic].map((group) => formatOther(group ?? '')).filter(Boolean);
  if (alphabetic) return { main: alphabetic, others: others.filter((other) => other !== alphabetic) };
  const [main = '', ...rest] = others;
  return { main, others: rest };
}

/** All scripts on one line, for titles and spoken labels. */
export function nameInOneLine(name: NameGroups | null | undefined): string {
  const { main, others } = formatName(name);
  return [main, ...others].filter(Boolean).join(' · ');
}
