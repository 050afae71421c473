/** Search parameters as people write them: `?modality=CT&modality=MR`, every value a text. */

export type RawSearch = Record<string, string | string[]>;

export function parseSearch(text: string): RawSearch {
  const raw: RawSearch = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const known = raw[key];
    if (known === undefined) raw[key] = value;
    else raw[key] = Array.isArray(known) ? [...known, value] : [known, value];
  }
  return raw;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') {
        parameters.append(key, String(one));
      }
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}
