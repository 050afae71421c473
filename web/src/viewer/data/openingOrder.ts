import type { SeriesSummary } from './dicomweb';
import { mayHoldImages } from './sopClasses';

/** Image series first, the wanted one before all. */
export function openingOrder(series: SeriesSummary[], wanted: string | undefined): SeriesSummary[] {
  const rank = (summary: SeriesSummary): number => {
    if (summary.seriesInstanceUid === wanted) return 0;
    return mayHoldImages(summary.modality) ? 1 : 2;
  };
  return [...series].sort((a, b) => rank(a) - rank(b));
}
