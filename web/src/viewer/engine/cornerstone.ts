/** Starts Cornerstone once for the page: renderer, decoder workers, metadata, our loader in place of its own. */
import {
  cache,
  getRenderingEngine,
  init as initCore,
  isCornerstoneInitialized,
  metaData,
  registerImageLoader,
  RenderingEngine,
  type Types,
} from '@cornerstonejs/core';
import { init as initLoader } from '@cornerstonejs/dicom-image-loader';
import { Failure } from '../data/errors';
import { loadFrame } from './frameLoader';
import { provideMetadata } from './metadata';

const ENGINE_ID = 'filmless';
const WORKERS_MAX = 4;
const CACHE_SHARE_OF_MEMORY = 0.25;
const CACHE_BYTES_MIN = 256 * 2 ** 20;
const CACHE_BYTES_MAX = 2 * 2 ** 30;

/** Chromium tells the memory in GiB, rounded; others do not. */
function memoryBytes(): number {
  const { deviceMemory } = navigator as Navigator & { deviceMemory?: number };
  return (deviceMemory ?? 4) * 2 ** 30;
}

export function cacheBytes(): number {
  return Math.min(CACHE_BYTES_MAX, Math.max(CACHE_BYTES_MIN, memoryBytes() * CACHE_SHARE_OF_MEMORY));
}

export function hasWebGl(): boolean {
  return document.createElement('canvas').getContext('webgl2') !== null;
}

function start(): void {
  if (!hasWebGl()) throw new Failure('noGraphics');
  initCore();
  const cores = navigator.hardwareConcurrency || 2;
  initLoader({ maxWebWorkers: Math.min(WORKERS_MAX, Math.max(1, cores - 1)) });
  // After initLoader: the last loader registered for a scheme wins.
  registerImageLoader('wadors', loadFrame);
  metaData.addProvider(provideMetadata, 10_000);
  cache.setMaxCacheSize(cacheBytes());
}

let isStarted = false;

/** The one rendering engine. Made on first use; StrictMode mounts twice, so it must not be made per mount. */
export function engine(): Types.IRenderingEngine {
  if (!isStarted) {
    if (!isCornerstoneInitialized()) start();
    isStarted = true;
  }
  return getRenderingEngine(ENGINE_ID) ?? new RenderingEngine(ENGINE_ID);
}
