import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

// Letters of these pieces are in Inter.
const LATIN = new Set(['latin', 'latin-ext', 'vietnamese', 'cyrillic', 'cyrillic-ext', 'greek', 'greek-ext']);
const FAMILIES = [
  'inter',
  'noto-sans-hebrew',
  'noto-sans-arabic',
  'noto-sans-sc',
  'noto-sans-jp',
  'noto-sans-kr',
];

/** The faces in which the server writes into pictures (`dicom/faces.py`): files, and an index of what is in which. */
export function faces(): Plugin {
  return {
    name: 'faces',
    apply: 'build',
    generateBundle() {
      const index: { family: string; file: string; ranges: [number, number][] }[] = [];
      const find = createRequire(import.meta.url);
      for (const family of FAMILIES) {
        const folder = dirname(find.resolve(`@fontsource-variable/${family}/package.json`));
        const pieces = JSON.parse(readFileSync(join(folder, 'unicode.json'), 'utf8')) as Record<
          string,
          string
        >;
        for (const [piece, ranges] of Object.entries(pieces)) {
          if (family !== 'inter' && LATIN.has(piece)) continue;
          const file = `${family}-${piece.replace(/[[\]]/g, '')}-wght-normal.woff2`;
          const source = readFileSync(join(folder, 'files', file));
          this.emitFile({ type: 'asset', fileName: `faces/${file}`, source });
          index.push({ family, file, ranges: rangesOf(ranges) });
        }
        const licence = readFileSync(join(folder, 'LICENSE'));
        this.emitFile({ type: 'asset', fileName: `faces/${family}-LICENSE.txt`, source: licence });
      }
      this.emitFile({ type: 'asset', fileName: 'faces/faces.json', source: JSON.stringify(index) });
    },
  };
}

/** Reads a list as it stands in CSS, `U+30-39,U+41`. */
function rangesOf(text: string): [number, number][] {
  return text.split(',').map((range) => {
    const [first = '', last = first] = range.trim().slice(2).split('-');
    return [parseInt(first, 16), parseInt(last, 16)];
  });
}
