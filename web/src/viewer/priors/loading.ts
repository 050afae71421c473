/** Series of priors among what the viewer shows: fetched when they are to hang, and of the same patient only. */
import { DICOMWEB_ROOT, seriesMetadata } from '../data/dicomweb';
import { type DisplaySet, splitSeries } from '../data/displaySets';
import { readPatientAndStudy } from '../data/frames';
import { useViewer } from '../state/store';
import { isSamePatient } from './matching';

/** The display sets of a series of a prior; null when its images name another patient. */
export async function loadPriorSeries(
  studyInstanceUid: string,
  seriesInstanceUid: string,
): Promise<DisplaySet[] | null> {
  const { patient, displaySets } = useViewer.getState();
  const known = Object.values(displaySets).filter((set) => set.seriesInstanceUid === seriesInstanceUid);
  if (known.length > 0) return known;
  const datasets = await seriesMetadata(studyInstanceUid, seriesInstanceUid);
  if (!patient || !datasets.every((dataset) => isSamePatient(patient, readPatientAndStudy(dataset))))
    return null;
  return splitSeries(datasets, DICOMWEB_ROOT);
}

export function addPriorSets(sets: readonly DisplaySet[]): void {
  useViewer.setState(({ displaySets, loaded }) => ({
    displaySets: { ...displaySets, ...Object.fromEntries(sets.map((set) => [set.id, set])) },
    loaded: { ...Object.fromEntries(sets.map((set) => [set.id, 0])), ...loaded },
  }));
}
