import { ActionIcon, Button, CloseButton, TextInput, Tooltip } from '@mantine/core';
import { Download, Eye, EyeOff, Redo2, Trash2, Undo2 } from 'lucide-react';
import { useMemo } from 'react';
import { downloadCsv } from '@/lib/csv';
import { useTexts } from '../i18n';
import { redo, select, undo, updateAnnotation, useAnnotations } from '../state/annotations';
import { useViewer } from '../state/store';
import { jumpTo } from '../tools/annotations/actions';
import { discardDraft, saveReport, useKeeping } from '../tools/annotations/keeping';
import { loadMarks } from '../tools/annotations/loading';
import type { Annotation } from '../tools/annotations/model';
import { asCsv, formatValue, SOURCE_TAGS } from '../tools/annotations/words';
import { MeasurementDocuments } from './MeasurementDocuments';
import { MarkChart } from './MarkChart';
import { MARK_ICONS } from './MarkMenu';
import classes from './MeasurementPanel.module.css';
import { SaveButton } from './SaveButton';

const LABEL_MAX = 256;

/** All marks of the study: names, values, where the millimetres come from. */
export function MeasurementPanel() {
  const t = useTexts();
  const items = useAnnotations((state) => state.items);
  const canUndo = useAnnotations((state) => state.past.length > 0);
  const canRedo = useAnnotations((state) => state.future.length > 0);
  const keeping = useKeeping(({ state }) => state);
  const { hasDraft, isDiscarded, isSaving, refusal } = useKeeping();
  const close = (): void => useViewer.setState({ hasMeasurements: false });
  return (
    <aside className={classes.panel} aria-label={t('marks.title')}>
      <div className={classes.head}>
        <h2>{t('marks.title')}</h2>
        <PanelButton label={t('actions.undo')} icon={Undo2} isDisabled={!canUndo} onClick={undo} />
        <PanelButton label={t('actions.redo')} icon={Redo2} isDisabled={!canRedo} onClick={redo} />
        <PanelButton
          label={t('marks.csv')}
          icon={Download}
          isDisabled={items.length === 0}
          onClick={() => downloadCsv(`${useViewer.getState().studyInstanceUid}.csv`, asCsv(items))}
        />
        <CloseButton aria-label={t('marks.close')} onClick={close} />
      </div>
      {items.length > 0 && keeping !== 'failed' && keeping !== 'reading' && (
        <p className={classes.kept} role="status">
          {t(keeping !== 'kept' ? 'marks.keeping' : hasDraft ? 'marks.kept' : 'marks.saved')}
        </p>
      )}
      {items.length === 0 ? (
        <p className={classes.none}>{t('marks.none')}</p>
      ) : (
        <ol className={classes.list}>
          {items.map((annotation) => (
            <Row key={annotation.uid} annotation={annotation} />
          ))}
        </ol>
      )}
      {isDiscarded && (
        <p className={classes.kept} role="status">
          {t('marks.discarded')}
        </p>
      )}
      {hasDraft && (
        <div className={classes.save}>
          {items.length > 0 && (
            <SaveButton size="xs" loading={isSaving} onClick={() => void saveReport()}>
              {t('marks.save')}
            </SaveButton>
          )}
          <Button size="xs" variant="default" disabled={isSaving} onClick={() => void discardDraft()}>
            {t('marks.discard')}
          </Button>
        </div>
      )}
      {refusal && (
        <p role="alert" className={classes.kept}>
          {refusal}
        </p>
      )}
      <MeasurementDocuments />
    </aside>
  );
}

function useImageNumber({ sopInstanceUid, frameNumber }: Annotation): string {
  const displaySets = useViewer((state) => state.displaySets);
  return useMemo(() => {
    for (const set of Object.values(displaySets)) {
      if (set.kind !== 'stack') continue;
      const at = set.frames.findIndex(
        (frame) => frame.instance.sopInstanceUid === sopInstanceUid && frame.frameNumber === frameNumber,
      );
      if (at >= 0) return `${set.description || set.modality} ${at + 1}/${set.frames.length}`;
    }
    return '';
  }, [displaySets, sopInstanceUid, frameNumber]);
}

function Row({ annotation }: { annotation: Annotation }) {
  const t = useTexts();
  const { uid, kind, label, values, spacing, isHidden } = annotation;
  const isSelected = useAnnotations((state) => state.selected === uid);
  const image = useImageNumber(annotation);
  const Icon = MARK_ICONS[kind];
  const name = label || t(`marks.kinds.${kind}`);
  const hasMm = values.some(({ unit }) => unit.startsWith('mm'));
  return (
    <li className={classes.row} data-selected={isSelected || undefined} data-mark={uid}>
      <button
        type="button"
        className={classes.jump}
        aria-label={t('marks.jump', { name })}
        aria-current={isSelected || undefined}
        onClick={() => jumpTo(annotation)}
      >
        <Icon size={16} strokeWidth={1.75} aria-hidden />
        <span className={classes.image}>{image}</span>
      </button>
      <TextInput
        size="xs"
        className={classes.name}
        aria-label={t('marks.rename', { name })}
        placeholder={t(`marks.kinds.${kind}`)}
        key={label}
        defaultValue={label}
        maxLength={LABEL_MAX}
        onFocus={() => select(uid)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') event.currentTarget.blur();
          event.stopPropagation();
        }}
        onBlur={(event) => {
          const text = event.currentTarget.value.trim();
          if (text !== label) updateAnnotation(uid, { label: text });
        }}
      />
      <PanelButton
        label={t(isHidden ? 'marks.show' : 'marks.hide', { name })}
        icon={isHidden ? EyeOff : Eye}
        onClick={() => updateAnnotation(uid, { isHidden: !isHidden })}
      />
      <PanelButton
        label={t('marks.delete', { name })}
        icon={Trash2}
        onClick={() => {
          select(uid);
          void loadMarks().then((marks) => marks.removeSelected());
        }}
      />
      <dl className={classes.values}>
        {values.map((value) => (
          <div key={value.name}>
            <dt>{t(`marks.values.${value.name}`)}</dt>
            <dd>{formatValue(value)}</dd>
          </div>
        ))}
      </dl>
      {isSelected && <MarkChart annotation={annotation} />}
      {(hasMm || spacing === null) && kind !== 'probe' && kind !== 'arrow' && (
        <p className={classes.source}>
          {spacing && hasMm
            ? t('marks.mmFrom', { source: SOURCE_TAGS[spacing.source] || t('marks.sources.manual') })
            : t('marks.noMm')}
        </p>
      )}
    </li>
  );
}

function PanelButton({
  label,
  icon: Icon,
  isDisabled,
  onClick,
}: {
  label: string;
  icon: typeof Eye;
  isDisabled?: boolean;
  onClick: () => void;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon size={28} aria-label={label} disabled={isDisabled} onClick={onClick}>
        <Icon size={16} strokeWidth={1.75} />
      </ActionIcon>
    </Tooltip>
  );
}
