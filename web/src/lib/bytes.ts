const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** A size in decimal units, as disks are sold: `1.4 GB`. Three figures at most. */
export function formatBytes(bytes: number, locale: string): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  const number = value.toLocaleString(locale, { minimumFractionDigits: 0, maximumFractionDigits: digits });
  return `${number} ${UNITS[unit] ?? ''}`;
}
