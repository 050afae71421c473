import classes from './ModalityBadge.module.css';

/** Hues that group what reads alike; everything else stays grey. */
const HUES: Record<string, string> = {
  CT: 'blue',
  MR: 'violet',
  US: 'cyan',
  IVUS: 'cyan',
  CR: 'amber',
  DX: 'amber',
  RG: 'amber',
  MG: 'pink',
  PT: 'orange',
  NM: 'orange',
  XA: 'green',
  RF: 'green',
};

export function ModalityBadge({ modality }: { modality: string }) {
  return (
    <span className={classes.badge} data-hue={HUES[modality]}>
      {modality}
    </span>
  );
}

export function ModalityBadges({ modalities }: { modalities: readonly string[] }) {
  return (
    <span className={classes.row}>
      {modalities.map((modality) => (
        <ModalityBadge key={modality} modality={modality} />
      ))}
    </span>
  );
}
