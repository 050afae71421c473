/** The tag browser's tree as rows: opened items only, or what a search finds with the way to it. */
import type { components } from '@/api/schema';

export type Tag = components['schemas']['Tag'];

export type TagRow =
  | { kind: 'element'; path: string; depth: number; tag: Tag; isOpen: boolean }
  | { kind: 'item'; path: string; depth: number; number: number };

const folded = (text: string): string => text.toLocaleLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, '');

function matches(tag: Tag, query: string, digits: string): boolean {
  if (digits.length >= 2 && tag.tag.toLowerCase().includes(digits)) return true;
  return [tag.name, tag.keyword, tag.value ?? ''].some((text) => folded(text).includes(query));
}

/** Rows of `tags`; with a query, sequences are open as far as something in them matches. */
export function tagRows(tags: readonly Tag[], opened: ReadonlySet<string>, search: string): TagRow[] {
  const query = folded(search.trim());
  // `(0010,0010)`, `0010,0010` and `00100010` all name one tag.
  const digits = /^[(]?[0-9a-f]{2,4}[, ]?[0-9a-f]{0,4}[)]?$/.test(query)
    ? query.replaceAll(/[^0-9a-f]/g, '')
    : '';
  const rows: TagRow[] = [];
  walk(tags, '', 0);
  return rows;

  function walk(elements: readonly Tag[], prefix: string, depth: number): boolean {
    let isAnyFound = false;
    for (const tag of elements) {
      const path = `${prefix}/${tag.tag}`;
      const at = rows.length;
      const isFound = query === '' || matches(tag, query, digits);
      const row: TagRow = { kind: 'element', path, depth, tag, isOpen: opened.has(path) };
      rows.push(row);
      const isInside = tag.items ? walkItems(tag.items, path, depth, row) : false;
      if (!isFound && !isInside) rows.length = at;
      else isAnyFound = true;
    }
    return isAnyFound;
  }

  function walkItems(
    items: readonly (readonly Tag[])[],
    path: string,
    depth: number,
    owner: TagRow & { kind: 'element' },
  ): boolean {
    if (query === '' && !owner.isOpen) return false;
    let isAnyFound = false;
    items.forEach((elements, index) => {
      const at = rows.length;
      rows.push({ kind: 'item', path: `${path}[${index}]`, depth: depth + 1, number: index + 1 });
      if (walk(elements, `${path}[${index}]`, depth + 2)) isAnyFound = true;
      else if (query !== '') rows.length = at;
    });
    if (query !== '') owner.isOpen = isAnyFound;
    return isAnyFound;
  }
}

/** `(0010,0010)` */
export const formatTag = (tag: string): string => `(${tag.slice(0, 4)},${tag.slice(4)})`;
