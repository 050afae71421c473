import { lazy, Suspense } from 'react';

const RenderedVolume = lazy(() =>
  import('./RenderedVolume').then((page) => ({ default: page.RenderedVolume })),
);

/** The rendered volume, whose code is fetched when it is asked for. */
export const LazyRendering = () => (
  <Suspense>
    <RenderedVolume />
  </Suspense>
);
