/** Windows by modality. Keys 1 to 9 in this order. */

export interface Preset {
  /** Key of its name in the texts of the viewer. */
  name: string;
  center: number;
  width: number;
}

const CT: Preset[] = [
  { name: 'softTissue', center: 40, width: 400 },
  { name: 'lung', center: -600, width: 1500 },
  { name: 'bone', center: 480, width: 2500 },
  { name: 'brain', center: 40, width: 80 },
  { name: 'liver', center: 60, width: 160 },
  { name: 'mediastinum', center: 50, width: 350 },
];

const BY_MODALITY: Record<string, Preset[]> = { CT };

export const presetsFor = (modality: string): Preset[] => BY_MODALITY[modality] ?? [];
