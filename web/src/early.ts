/**
 * Runs before the app, whose code is still on its way: asks who is signed in and, on a page of the viewer, for the study,
 * its first frame and the viewer's code. All of it is what the app would ask for; it takes over the answers.
 */
import { askSessionEarly } from './api/early';
import { startDecoder } from './viewer/data/decoders';
import { fetchAhead } from './viewer/data/frameBytes';
import { warmStudy } from './viewer/data/warm';

const PAGES_WITHOUT_SESSION = ['/sign-in', '/setup'];

/** Has files read and compiled, but not run. Their names stand in the page. */
function preload(name: 'viewer' | 'renderer'): void {
  const list = document.querySelector<HTMLMetaElement>(`meta[name="filmless:${name}"]`)?.content ?? '';
  for (const href of list.split(' ').filter(Boolean)) {
    const link = document.createElement('link');
    Object.assign(link, { rel: 'modulepreload', crossOrigin: '', href });
    document.head.append(link);
  }
}

async function openViewer(studyInstanceUid: string, wanted: string | undefined): Promise<void> {
  const asked = warmStudy(studyInstanceUid, { wanted, isOpening: true });
  preload('viewer');
  startDecoder();
  const frames = await asked;
  // What is larger than the first frame comes behind it.
  preload('renderer');
  if (frames) fetchAhead(frames.slice(1).map(({ imageId }) => imageId.slice('wadors:'.length)));
}

const { pathname, searchParams } = new URL(location.href);
if (!PAGES_WITHOUT_SESSION.includes(pathname)) askSessionEarly();
const study = /^\/viewer\/([0-9.]+)$/.exec(pathname)?.[1];
if (study !== undefined) void openViewer(study, searchParams.get('series') ?? undefined);
