/** Starts Cornerstone once for the page: renderer, decoder workers, our metadata and our loader. */
import {
  cache,
  getConfiguration,
  getRenderingEngine,
  getShouldUseCPURendering,
  getWebWorkerManager,
  init as initCore,
  isCornerstoneInitialized,
  metaData,
  registerImageLoader,
  RenderingEngine,
  type Types,
} from '@cornerstonejs/core';
import { asFailure, Failure } from '../data/errors';
import { DECODER } from './decode';
import { loadFrame } from './frameLoader';
import { provideMetadata } from './metadata';

const ENGINE_ID = 'filmless';
const WORKERS_MAX = 4;
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

export function cacheBytes(): number {
  return Math.min(CACHE_BYTES_MAX, Math.max(CACHE_BYTES_MIN, memoryBytes() * CACHE_SHARE_OF_MEMORY));
}

/**
 * The decoders of Cornerstone's image loader, without the loader: ours takes its place, and the package's own entrance
 * brings 400 kB that are then never run. The package does not export the worker, hence the path.
 */
const startDecoder = (): Worker =>
  new Worker(
    new URL(
      '../../../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js',
      import.meta.url,
    ),
    { type: 'module' },
  );

function start(): void {
  const { rendering } = getConfiguration();
  initCore({ ...getConfiguration(), rendering: { ...rendering, webGlContextCount: CONTEXTS } });
  // Without WebGL Cornerstone falls back to the processor, which knows no VOI functions but straight ones.
  if (getShouldUseCPURendering()) throw new Failure('noGraphics');
  const cores = navigator.hardwareConcurrency || 2;
  getWebWorkerManager().registerWorker(DECODER, startDecoder, {
    maxWorkerInstances: Math.min(WORKERS_MAX, Math.max(1, cores - 1)),
  });
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
