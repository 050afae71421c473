import { formatBytes } from '@/lib/bytes';
import { useLocale } from '@/lib/useLocale';

export function Bytes({ value }: { value: number }) {
  const locale = useLocale();
  return <span className="fl-numbers">{formatBytes(value, locale)}</span>;
}
