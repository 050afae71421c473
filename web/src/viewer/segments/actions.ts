/** What a reader does with segments, by key and by button: begin, copy, save, leave. */
import { client, unwrap } from '@/api/client';
import type { StackDisplaySet } from '../data/displaySets';
import { textNow } from '../i18n';
import { framesOn, opacitiesOf, type Segmentation, segmentToImage } from '../overlays/segmentation';
import { isPainting, type PaintTool, stackOf, useViewer } from '../state/store';
import type { Action } from '../tools/actions';
import { keepNavigation, leaveMarking } from '../tools/annotations/actions';
import { readNewSeries, type WrittenObject } from '../tools/objects';
import { tell } from '../tools/spatial';
import {
  apply,
  BRUSH_STEP,
  changeDraft,
  extentOf,
  filledFrames,
  newSegment,
  resizeBrush,
  type Segment,
  startDraft,
  useSegments,
} from './draft';
import type { Patch } from './masks';
import { isTypeCode } from './types';

/** The stack that the active viewport shows, when it can have segments. */
export function segmentableStack(): StackDisplaySet | null {
  const state = useViewer.getState();
  const stack = stackOf(state, state.active);
  return stack && !stack.derived ? stack : null;
}

export function beginSegmentation(): void {
  const stack = segmentableStack();
  if (!stack) return;
  const label = textNow('segments.segment', { number: 1 });
  startDraft(stack, textNow('segments.newLabel'), [newSegment(1, label)]);
  choosePaint('brush');
}

/** Half of a fractional pixel or more belongs to the segment. */
const HALF = 128;

const isSameGrid = (affine: readonly number[]): boolean =>
  [1, 0, 0, 1, 0, 0].every((value, at) => Math.abs((affine[at] ?? 0) - value) < 0.01);

/** Begins with what a saved segmentation holds of the active stack; where its segments overlap, the later one is taken. */
export async function copySegmentation(segmentation: Segmentation): Promise<void> {
  const stack = segmentableStack();
  if (!stack) return;
  const { storedSamples } = await import('../engine/samples');
  const extent = extentOf(stack);
  const patches: Patch[] = [];
  for (const [index, frame] of stack.frames.entries()) {
    const mask = new Uint8Array(extent.columns * extent.rows);
    for (const segment of framesOn(segmentation, frame)) {
      const { pixels } = segment.frame.instance;
      const isSame = pixels?.columns === extent.columns && pixels.rows === extent.rows;
      if (!isSame || !isSameGrid(segmentToImage(segment.frame, frame))) {
        tell({ text: 'segments.otherGrid' });
        return;
      }
      const samples = await storedSamples(segment.frame);
      for (const { segmentNumber, alpha } of opacitiesOf(segmentation, segment.segmentNumber, samples))
        alpha.forEach((value, at) => {
          if (value >= HALF) mask[at] = segmentNumber;
        });
    }
    const at = [...mask.keys()].filter((each) => mask[each] !== 0);
    if (at.length > 0)
      patches.push({
        index,
        at: Uint32Array.from(at),
        before: new Uint8Array(at.length),
        after: Uint8Array.from(at, (each) => mask[each] ?? 0),
      });
  }
  if (patches.length === 0) {
    tell({ text: 'segments.notHere' });
    return;
  }
  const segments = segmentation.segments.map((each): Segment => ({
    number: each.number,
    label: each.label || each.type,
    typeCode: isTypeCode(each.typeCode) ? each.typeCode : null,
    colour: each.colour,
    isByHand: each.isByHand,
  }));
  startDraft(stack, segmentation.label, segments);
  apply(patches, extent, true);
  changeDraft({
    active: segments[0]?.number ?? 1,
    form: segmentation.type === 'LABELMAP' ? 'LABELMAP' : 'BINARY',
  });
}

/** Segments as they are saved: numbered from 1 on without a gap. */
function renumbered(segments: readonly Segment[]): Map<number, number> {
  return new Map(segments.map(({ number }, at) => [number, at + 1]));
}

export async function saveSegmentation(): Promise<WrittenObject | null> {
  const { draft, revision } = useSegments.getState();
  const stack = draft && useViewer.getState().displaySets[draft.stackId];
  if (!draft || stack?.kind !== 'stack') return null;
  const filled = filledFrames();
  const numbers = renumbered(draft.segments);
  const description = JSON.stringify({
    label: draft.label,
    form: draft.form,
    frames: filled.map(([index]) => ({
      sopInstanceUid: stack.frames[index]?.instance.sopInstanceUid,
      frameNumber: stack.frames[index]?.frameNumber,
    })),
    segments: draft.segments.map(({ number, label, typeCode, colour, isByHand }) => ({
      number: numbers.get(number),
      label,
      typeCode,
      colour,
      isByHand,
    })),
  });
  const planes = filled.map(([, mask]) => mask.map((value) => numbers.get(value) ?? 0));
  const packed = new Blob(planes).stream().pipeThrough(new CompressionStream('gzip'));
  const form = new FormData();
  form.append('description', description);
  form.append('masks', await new Response(packed).blob(), 'masks.gz');
  const { studyInstanceUid } = useViewer.getState();
  const written = await unwrap(
    client.POST('/studies/{studyInstanceUid}/segmentations', {
      params: { path: { studyInstanceUid } },
      body: { description, masks: '' },
      bodySerializer: () => form,
    }),
  );
  // What was drawn while it was being saved is not saved.
  if (useSegments.getState().revision === revision) changeDraft({ isChanged: false });
  await readNewSeries(written);
  return written;
}

export function choosePaint(tool: PaintTool): void {
  if (!useSegments.getState().draft) return;
  keepNavigation();
  useViewer.setState({ tool });
}

export function leavePainting(): void {
  if (isPainting(useViewer.getState().tool)) leaveMarking();
}

function nextSegment(): void {
  const { draft } = useSegments.getState();
  if (!draft) return;
  const at = draft.segments.findIndex(({ number }) => number === draft.active);
  const next = draft.segments[(at + 1) % draft.segments.length];
  if (next) useSegments.setState({ draft: { ...draft, active: next.number } });
}

export const SEGMENT_ACTIONS: Action[] = [
  {
    name: 'segments',
    group: 'screen',
    keys: ['Alt+s'],
    run: () => useSegments.setState(({ hasPanel }) => ({ hasPanel: !hasPanel })),
  },
  { name: 'brush', group: 'tools', keys: ['Alt+b'], run: () => choosePaint('brush') },
  { name: 'eraser', group: 'tools', keys: ['Alt+r'], run: () => choosePaint('eraser') },
  { name: 'fill', group: 'tools', keys: ['Alt+l'], run: () => choosePaint('fill') },
  { name: 'brushSmaller', group: 'tools', keys: ['Alt+PageDown'], run: () => resizeBrush(1 / BRUSH_STEP) },
  { name: 'brushLarger', group: 'tools', keys: ['Alt+PageUp'], run: () => resizeBrush(BRUSH_STEP) },
  { name: 'nextSegment', group: 'tools', keys: ['Alt+n'], run: nextSegment },
];
