/** Starts Cornerstone once for the page: renderer, our metadata and our loader. */
import {
  cache,
  getConfiguration,
  getRenderingEngine,
  getShouldUseCPURendering,
  init as initCore,
  isCornerstoneInitialized,
  metaData,
  registerImageLoader,
  RenderingEngine,
  type Types,
} from '@cornerstonejs/core';
import { asFailure, Failure } from '../data/errors';
import { loadFrame } from './frameLoader';
import { provideMetadata } from './metadata';

const ENGINE_ID = 'filmless';
/** One for each viewport that can be seen at once. */
const CONTEXTS = 4;
const CACHE_SHARE_OF_MEMORY = 0.25;
const CACHE_BYTES_MIN = 256 * 2 ** 20;
const CACHE_BYTES_MAX = 2 * 2 ** 30;

/** Chromium tells the memory in GiB, rounded; others do not. */
function memoryBytes(): number {
  const { deviceMemory } = navigator as Navigator & { deviceMemory?: number };
  return (deviceMemory ?? 4) * 2 ** 30;
}

let limitBytes: number | null = null;

export function cacheBytes(): number {
  if (limitBytes !== null) return limitBytes;
  return Math.min(CACHE_BYTES_MAX, Math.max(CACHE_BYTES_MIN, memoryBytes() * CACHE_SHARE_OF_MEMORY));
}

/** Another limit than that of the machine: tests need one that few images reach. */
export function limitCache(bytes: number): void {
  limitBytes = bytes;
  cache.setMaxCacheSize(bytes);
  cache.decacheIfNecessaryUntilBytesAvailable(0);
}

function start(): void {
  const { rendering } = getConfiguration();
  initCore({ ...getConfiguration(), rendering: { ...rendering, webGlContextCount: CONTEXTS } });
  // Without WebGL Cornerstone falls back to the processor, which knows no VOI functions but straight ones.
  if (getShouldUseCPURendering()) throw new Failure('noGraphics');
  registerImageLoader('wadors', loadFrame);
  registerImageLoader('planes', loadFrame);
  metaData.addProvider(provideMetadata, 10_000);
  cache.setMaxCacheSize(cacheBytes());
}

/** The GPU context that a viewport is drawn in; several share one. */
export function contextOf(viewportId: string): number | undefined {
  const { contextPool } = engine() as unknown as {
    contextPool?: { getContextIndexForViewport: (id: string) => number | undefined };
  };
  return contextPool?.getContextIndexForViewport(viewportId);
}

let failure: Failure | null = null;

/** The one rendering engine. Made on first use; StrictMode mounts twice, so it must not be made per mount. */
export function engine(): Types.IRenderingEngine {
  if (failure) throw failure;
  if (!isCornerstoneInitialized()) {
    try {
      start();
    } catch (error) {
      failure = asFailure(error);
      throw failure;
    }
  }
  return getRenderingEngine(ENGINE_ID) ?? new RenderingEngine(ENGINE_ID);
}
