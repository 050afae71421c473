import type { Outcome, UploadItem } from './queue';

/** One line of the panel: a file on its way, or what became of an instance (a ZIP gives many). */
export interface UploadLine {
  itemId: number;
  name: string;
  kind: Outcome | 'waiting' | 'sending' | 'failed' | 'cancelled';
  percent?: number;
  reason?: string | null;
  studyInstanceUid?: string | null;
}

/** What a person should see first comes first: what went wrong, then what runs, then the rest as it came. */
const ORDER: Record<UploadLine['kind'], number> = {
  failed: 0,
  refused: 0,
  sending: 1,
  waiting: 2,
  cancelled: 3,
  skipped: 3,
  duplicate: 3,
  stored: 3,
};

export function linesOf(items: readonly UploadItem[]): UploadLine[] {
  const lines = items.flatMap((item): UploadLine[] => {
    const { id: itemId, path: name, state } = item;
    switch (state.kind) {
      case 'done':
        return state.results.map((result) => ({
          itemId,
          name: state.results.length > 1 || result.name ? result.name || name : name,
          kind: result.outcome,
          reason: result.reason,
          studyInstanceUid: result.studyInstanceUid,
        }));
      case 'sending':
        return [
          {
            itemId,
            name,
            kind: 'sending',
            percent: item.sizeBytes > 0 ? (100 * state.sentBytes) / item.sizeBytes : 0,
          },
        ];
      case 'failed':
        return [{ itemId, name, kind: 'failed', reason: state.reason }];
      default:
        return [{ itemId, name, kind: state.kind }];
    }
  });
  return lines.sort((one, other) => ORDER[one.kind] - ORDER[other.kind]);
}
