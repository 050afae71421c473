/** Windows by modality as a person chose them; those of `lut/presets.ts` where there is no choice. */
import { usePreferences } from '@/api/preferences';
import { type Preset, presetsFor } from '../lut/presets';

export const PRESETS_MAX = 9;
const MODALITIES_MAX = 20;
const NAME_MAX = 40;

export type OwnPresets = Readonly<Record<string, readonly Preset[]>>;

function readPreset(kept: unknown): Preset | null {
  if (typeof kept !== 'object' || kept === null) return null;
  const { name, center, width } = kept as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || name.length > NAME_MAX) return null;
  if (typeof center !== 'number' || !Number.isFinite(center)) return null;
  // LINEAR is not defined below 1 (PS3.3 C.11.2.1.2.1).
  if (typeof width !== 'number' || !Number.isFinite(width) || width < 1) return null;
  return { name, center, width };
}

export function readPresets(kept: unknown): OwnPresets {
  if (typeof kept !== 'object' || kept === null) return {};
  return Object.fromEntries(
    Object.entries(kept)
      .filter(
        (entry): entry is [string, unknown[]] => /^[A-Z0-9]{2,16}$/.test(entry[0]) && Array.isArray(entry[1]),
      )
      .slice(0, MODALITIES_MAX)
      .map(([modality, presets]) => [
        modality,
        presets
          .map(readPreset)
          .filter((preset) => preset !== null)
          .slice(0, PRESETS_MAX),
      ]),
  );
}

export const presetsIn = (own: OwnPresets, modality: string): readonly Preset[] =>
  own[modality] ?? presetsFor(modality);

/** The windows of a modality for who is signed in. */
export const presetsOf = (modality: string): readonly Preset[] =>
  presetsIn(readPresets(usePreferences.getState().values.windowPresets), modality);

export function usePresetsOf(modality: string): readonly Preset[] {
  const kept = usePreferences(({ values }) => values.windowPresets);
  return presetsIn(readPresets(kept), modality);
}
