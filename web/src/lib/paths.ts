/** A path of this application, from the address bar: never an address of another site (no open redirect). */
export function ownPath(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/')) return undefined;
  // `//host` and `/\host` are other sites to a browser.
  if (/^\/[/\\]/.test(value) || /[\s\\]/.test(value)) return undefined;
  return value;
}

export const dicomweb = {
  thumbnail: (studyInstanceUid: string, seriesInstanceUid: string, sizePx: number): string =>
    `/dicomweb/studies/${encodeURIComponent(studyInstanceUid)}/series/${encodeURIComponent(seriesInstanceUid)}/thumbnail?viewport=${sizePx},${sizePx}`,
};
