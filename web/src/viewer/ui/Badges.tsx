import { missingSlices } from '../data/completeness';
import type { StackDisplaySet } from '../data/displaySets';
import { type Frame, frameText } from '../data/frames';
import { type ChosenMask, isRun } from '../data/subtraction';
import { useTexts } from '../i18n';
import { findState, keyObjectsOf } from '../overlays/registry';
import { isFor } from '../overlays/presentationState';
import { isMarked, useObjects } from '../state/objects';
import { type PaneId, useViewer } from '../state/store';
import { isSavedKeyImage } from '../tools/objects';
import classes from './Badges.module.css';

/** How far the reader moved the mask, in pixels: down and to the right. */
const maskWords = ({ moved }: ChosenMask): { down: string; right: string } => ({
  down: moved[0].toFixed(1),
  right: moved[1].toFixed(1),
});

/** What a reader must know of an image before reading it: that it is derived, that slices are missing, and the like. */
export function Badges({ id, frame, stack }: { id: PaneId; frame: Frame; stack: StackDisplaySet }) {
  const t = useTexts();
  const isNewKey = useObjects((state) => isMarked(state, frame));
  const applied = useObjects((state) => state.applied[id]);
  const displaySets = useViewer((state) => state.displaySets);
  const isKey = isSavedKeyImage(keyObjectsOf(displaySets), frame);
  const state = findState(applied);
  const missing = missingSlices(stack);
  const mask = useViewer((viewer) => viewer.panes[id].subtraction);
  return (
    <>
      {isNewKey && <span className={classes.key}>★ {t('pane.markedImage')}</span>}
      {isKey && <span className={classes.key}>★ {t('pane.keyImage')}</span>}
      {state && isFor(state, frame) && <span>{t('pane.state', { label: state.label })}</span>}
      {mask && <span>{t('pane.subtracted', maskWords(mask))}</span>}
      {!mask && frameText(frame, '00281090') === 'SUB' && isRun(stack.frames) && (
        <span>{t('pane.recommendsSubtraction')}</span>
      )}
      {frame.instance.imageType[0] === 'DERIVED' && <span>{t('pane.derived')}</span>}
      {missing > 0 && <span className={classes.warning}>{t('pane.incomplete', { count: missing })}</span>}
    </>
  );
}
