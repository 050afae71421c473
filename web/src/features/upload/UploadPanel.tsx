import { ActionIcon, Button, Progress, Text, Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import {
  ChevronDown,
  ChevronUp,
  CircleCheck,
  CircleDashed,
  CircleX,
  Copy,
  MinusCircle,
  X,
} from 'lucide-react';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { formatBytes } from '@/lib/bytes';
import { useLocale } from '@/lib/useLocale';
import { linesOf, type UploadLine } from './lines';
import type { UploadTotals } from './queue';
import classes from './UploadPanel.module.css';
import { uploads, useUploads } from './uploads';

const ICON = { size: 15, strokeWidth: 2 } as const;

/** Progress while files go up, then what became of each. */
export function UploadPanel() {
  const { t } = useTranslation();
  const { items, totals, isBusy } = useUploads();
  const [isOpen, setIsOpen] = useState(true);
  if (items.length === 0) return null;
  const percent = totals.bytes > 0 ? (100 * totals.sentBytes) / totals.bytes : 100;
  return (
    <section className={classes.panel} aria-label={t('upload.title')}>
      <header className={classes.header}>
        <div className={classes.summary} role="status">
          <Text fw={600} size="sm">
            {isBusy
              ? t('upload.busy', { done: totals.finished, count: totals.items })
              : t('upload.finished', { count: totals.items })}
          </Text>
          <Summary totals={totals} isBusy={isBusy} />
        </div>
        <Tooltip label={isOpen ? t('action.collapse') : t('action.expand')}>
          <ActionIcon
            aria-label={isOpen ? t('action.collapse') : t('action.expand')}
            aria-expanded={isOpen}
            onClick={() => setIsOpen(!isOpen)}
          >
            {isOpen ? <ChevronDown size={17} /> : <ChevronUp size={17} />}
          </ActionIcon>
        </Tooltip>
        {!isBusy && (
          <Tooltip label={t('action.close')}>
            <ActionIcon aria-label={t('action.close')} onClick={uploads.clear}>
              <X size={17} />
            </ActionIcon>
          </Tooltip>
        )}
      </header>
      {isBusy && (
        <Progress
          value={percent}
          radius={0}
          size={3}
          aria-label={t('upload.progress')}
          className={classes.progress}
        />
      )}
      {isOpen && <Lines lines={linesOf(items)} />}
      {isOpen && <Actions totals={totals} isBusy={isBusy} />}
    </section>
  );
}

function Summary({ totals, isBusy }: { totals: UploadTotals; isBusy: boolean }) {
  const { t } = useTranslation();
  const locale = useLocale();
  const parts = [
    isBusy &&
      t('upload.bytes', {
        done: formatBytes(totals.sentBytes, locale),
        all: formatBytes(totals.bytes, locale),
      }),
    totals.stored > 0 && t('upload.count.stored', { count: totals.stored }),
    totals.duplicate > 0 && t('upload.count.duplicate', { count: totals.duplicate }),
    totals.refused > 0 && t('upload.count.refused', { count: totals.refused }),
    totals.skipped > 0 && t('upload.count.skipped', { count: totals.skipped }),
    totals.failed > 0 && t('upload.count.failed', { count: totals.failed }),
    totals.cancelled > 0 && t('upload.count.cancelled', { count: totals.cancelled }),
  ];
  return (
    <Text size="xs" c="dimmed" className="fl-numbers">
      {parts.filter(Boolean).join(' · ')}
    </Text>
  );
}

const LINE_PX = 38;

function Lines({ lines }: { lines: readonly UploadLine[] }) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 8,
  });
  return (
    <div ref={scroller} className={classes.lines} tabIndex={0} role="region" aria-label={t('upload.results')}>
      <div role="list" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          return (
            line && (
              <Line key={item.key} line={line} top={item.start} position={item.index + 1} of={lines.length} />
            )
          );
        })}
      </div>
    </div>
  );
}

function Line({ line, top, position, of }: { line: UploadLine; top: number; position: number; of: number }) {
  const { t } = useTranslation();
  return (
    <div
      role="listitem"
      aria-posinset={position}
      aria-setsize={of}
      className={classes.line}
      style={{ transform: `translateY(${top}px)`, height: LINE_PX }}
    >
      <LineIcon kind={line.kind} />
      <div className={classes.what}>
        <span className={classes.name} title={line.name}>
          {line.name}
        </span>
        {line.kind === 'sending' ? (
          <Progress value={line.percent ?? 0} size={3} aria-label={line.name} />
        ) : (
          <span className={classes.reason} title={line.reason ?? undefined}>
            {line.reason ?? t(`upload.states.${line.kind}`)}
          </span>
        )}
      </div>
      {line.studyInstanceUid && (
        <Link
          to="/studies/$studyInstanceUid"
          params={{ studyInstanceUid: line.studyInstanceUid }}
          className={classes.link}
          aria-label={t('upload.openStudy', { name: line.name })}
        >
          {t('action.open')}
        </Link>
      )}
      {(line.kind === 'waiting' || line.kind === 'sending') && (
        <ActionIcon
          size="sm"
          aria-label={t('upload.cancelNamed', { name: line.name })}
          onClick={() => uploads.cancel(line.itemId)}
        >
          <X size={14} />
        </ActionIcon>
      )}
    </div>
  );
}

function LineIcon({ kind }: { kind: UploadLine['kind'] }) {
  switch (kind) {
    case 'stored':
      return <CircleCheck {...ICON} className={classes.good} aria-hidden />;
    case 'duplicate':
      return <Copy {...ICON} className={classes.quiet} aria-hidden />;
    case 'refused':
    case 'failed':
      return <CircleX {...ICON} className={classes.bad} aria-hidden />;
    case 'skipped':
    case 'cancelled':
      return <MinusCircle {...ICON} className={classes.quiet} aria-hidden />;
    case 'waiting':
    case 'sending':
      return <CircleDashed {...ICON} className={classes.quiet} aria-hidden />;
  }
}

function Actions({ totals, isBusy }: { totals: UploadTotals; isBusy: boolean }) {
  const { t } = useTranslation();
  const canRetry = totals.failed + totals.cancelled > 0;
  if (!isBusy && !canRetry) return null;
  return (
    <footer className={classes.footer}>
      {canRetry && (
        <Button size="compact-sm" variant="default" onClick={uploads.retry}>
          {t('upload.retry')}
        </Button>
      )}
      {isBusy && (
        <Button size="compact-sm" variant="default" onClick={() => uploads.cancel()}>
          {t('upload.cancelAll')}
        </Button>
      )}
    </footer>
  );
}
