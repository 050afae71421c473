/**
 * Starts `src/early.ts` before the app: a module of its own at the head of the page, which the app's code does not hold
 * up. What it may ask for ahead, it finds in the page: the names of the viewer's files, which change with every build.
 */
import type { Plugin } from 'vite';

const EARLY = 'src/early.ts';
/** Files by the words under which the page lists them: first those of the page itself, then those of the renderer. */
const AHEAD = { viewer: 'src/viewer/ui/ViewerPage.tsx', renderer: 'src/viewer/engine/session.ts' };

interface Chunk {
  type: 'chunk';
  fileName: string;
  imports: string[];
  facadeModuleId: string | null;
}
type Bundle = Record<string, Chunk | { type: 'asset' }>;

function chunkOf(bundle: Bundle, source: string): Chunk {
  const found = Object.values(bundle).find(
    (each): each is Chunk => each.type === 'chunk' && each.facadeModuleId?.endsWith(`/${source}`) === true,
  );
  if (!found) throw new Error(`No chunk begins with ${source}.`);
  return found;
}

/** A chunk and all that it imports. */
function withImports(bundle: Bundle, chunk: Chunk, seen = new Set<string>()): Chunk[] {
  if (seen.has(chunk.fileName)) return [];
  seen.add(chunk.fileName);
  const imported = chunk.imports.flatMap((name) => {
    const each = bundle[name];
    return each?.type === 'chunk' ? withImports(bundle, each, seen) : [];
  });
  return [chunk, ...imported];
}

const urlOf = ({ fileName }: { fileName: string }): string => `/${fileName}`;

/** Async: it does not wait for the styles that stand before it. */
const script = (src: string): string =>
  `<script type="module" async crossorigin fetchpriority="high" src="${src}"></script>`;

function tagsOf(html: string, bundle: Bundle): string[] {
  const early = withImports(bundle, chunkOf(bundle, EARLY)).map(urlOf);
  const known = new Set(early);
  const lists = Object.entries(AHEAD).map(([name, source]) => {
    const urls = withImports(bundle, chunkOf(bundle, source))
      .map(urlOf)
      .filter((url) => !known.has(url) && !html.includes(url));
    urls.forEach((url) => known.add(url));
    return `<meta name="filmless:${name}" content="${urls.join(' ')}" />`;
  });
  const imports = early.slice(1).filter((url) => !html.includes(url));
  return [
    script(early[0] ?? ''),
    ...imports.map((url) => `<link rel="modulepreload" crossorigin href="${url}" />`),
    ...lists,
  ];
}

export function earlyStart(): Plugin {
  let isBuild = false;
  return {
    name: 'filmless:early-start',
    configResolved({ command }) {
      isBuild = command === 'build';
    },
    buildStart() {
      if (isBuild) this.emitFile({ type: 'chunk', id: EARLY, name: 'early' });
    },
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const tags = bundle ? tagsOf(html, bundle as unknown as Bundle) : [script(`/${EARLY}`)];
        return html.replace('</title>', ['</title>', ...tags].join('\n    '));
      },
    },
  };
}
