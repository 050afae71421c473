import { Tooltip } from '@mantine/core';
import { formatAgo, formatMoment } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';

/** A moment of the server: the exact time, or how long ago with the exact time on hover. */
export function Moment({ at, relative = false }: { at: string; relative?: boolean }) {
  const locale = useLocale();
  const exact = formatMoment(at, locale);
  if (!relative) {
    return (
      <time dateTime={at} className="fl-numbers">
        {exact}
      </time>
    );
  }
  return (
    <Tooltip label={exact}>
      <time dateTime={at}>{formatAgo(at, locale)}</time>
    </Tooltip>
  );
}
