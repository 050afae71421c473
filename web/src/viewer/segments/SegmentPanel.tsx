import {
  ActionIcon,
  Button,
  CloseButton,
  NumberInput,
  SegmentedControl,
  Select,
  Slider,
  Switch,
  TextInput,
  Tooltip,
} from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Brush, Eraser, type LucideIcon, PaintBucket, Plus, Redo2, Trash2, Undo2 } from 'lucide-react';
import { useMemo } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { css } from '../overlays/colour';
import { segmentationsOf } from '../overlays/registry';
import { redo, undo, useAnnotations } from '../state/annotations';
import { type PaintTool, stackOf, useViewer } from '../state/store';
import { action } from '../tools/actions';
import { unitOf } from '../tools/annotations/measure';
import { beginSegmentation, choosePaint, copySegmentation, leavePainting, saveSegmentation } from './actions';
import {
  addSegment,
  changeDraft,
  changeSegment,
  type Draft,
  extentOf,
  interpolate,
  RADIUS_MAX,
  RADIUS_MIN,
  removeSegment,
  type Segment,
  startSegments,
  useSegments,
  voxelMl,
} from './draft';
import { SaveButton } from '../ui/SaveButton';
import toolbarClasses from '../ui/Toolbar.module.css';
import classes from './SegmentPanel.module.css';
import { isTypeCode, TYPE_GROUPS, TYPES } from './types';

const TOOLS: [PaintTool, LucideIcon][] = [
  ['brush', Brush],
  ['eraser', Eraser],
  ['fill', PaintBucket],
];

const LABEL_MAX = 64;

/** Drawing segments on a stack, and saving them as a segmentation. */
export function SegmentPanel() {
  const t = useTexts();
  const draft = useSegments((state) => state.draft);
  const canUndo = useAnnotations((state) => state.past.length > 0);
  const canRedo = useAnnotations((state) => state.future.length > 0);
  const stack = useViewer((state) => (draft ? state.displaySets[draft.stackId] : null));
  const close = (): void => useSegments.setState({ hasPanel: false });
  return (
    <aside className={classes.panel} aria-label={t('segments.title')}>
      <div className={classes.head}>
        <h2>{t('segments.title')}</h2>
        <IconButton label={t('actions.undo')} icon={Undo2} isDisabled={!canUndo} onClick={undo} />
        <IconButton label={t('actions.redo')} icon={Redo2} isDisabled={!canRedo} onClick={redo} />
        <CloseButton aria-label={t('segments.close')} onClick={close} />
      </div>
      {draft && stack?.kind === 'stack' ? <Editor draft={draft} stack={stack} /> : <Beginning />}
    </aside>
  );
}

function Beginning() {
  const t = useTexts();
  const displaySets = useViewer((state) => state.displaySets);
  const canBegin = useViewer((state) => {
    const stack = stackOf(state, state.active);
    return stack !== null && !stack.derived;
  });
  const saved = segmentationsOf(displaySets);
  const { mutate, isPending, error } = useMutation({ mutationFn: copySegmentation });
  return (
    <div className={classes.body}>
      <p className={classes.hint}>{t(canBegin ? 'segments.begin' : 'segments.noStack')}</p>
      <Button size="xs" disabled={!canBegin} onClick={beginSegmentation}>
        {t('segments.new')}
      </Button>
      {saved.map((each) => (
        <Button
          key={each.sopInstanceUid}
          size="xs"
          variant="default"
          disabled={!canBegin}
          loading={isPending}
          onClick={() => mutate(each)}
        >
          {t('segments.copy', { name: each.label })}
        </Button>
      ))}
      {error && <p role="alert">{error.message}</p>}
    </div>
  );
}

function Editor({ draft, stack }: { draft: Draft; stack: StackDisplaySet }) {
  const t = useTexts();
  const extent = extentOf(stack);
  const perVoxelMl = useMemo(() => voxelMl(stack), [stack]);
  const isEmpty = useSegments(({ counts }) => Object.keys(counts).length === 0);
  const { mutate, isPending, isSuccess, error } = useMutation({ mutationFn: saveSegmentation });
  const isUntyped = draft.segments.some(({ typeCode }) => typeCode === null);
  return (
    <div className={classes.body}>
      <TextInput
        size="xs"
        label={t('segments.label')}
        maxLength={LABEL_MAX}
        value={draft.label}
        onChange={(event) => changeDraft({ label: event.currentTarget.value })}
        onKeyDown={(event) => event.stopPropagation()}
      />
      <ul className={classes.list} aria-label={t('segments.list')}>
        {draft.segments.map((segment) => (
          <SegmentRow
            key={segment.number}
            segment={segment}
            isActive={segment.number === draft.active}
            perVoxelMl={perVoxelMl}
            onRemove={draft.segments.length > 1 ? () => removeSegment(segment.number, extent) : null}
          />
        ))}
      </ul>
      <Button
        size="xs"
        variant="default"
        leftSection={<Plus size={14} />}
        onClick={() => addSegment(t('segments.segment', { number: draft.segments.length + 1 }))}
      >
        {t('segments.add')}
      </Button>
      <Tools stack={stack} />
      <Button size="xs" variant="default" onClick={() => interpolate(stack)}>
        {t('segments.interpolate')}
      </Button>
      <SegmentedControl
        size="xs"
        aria-label={t('segments.form')}
        value={draft.form}
        data={[
          { value: 'BINARY', label: t('segments.binary') },
          { value: 'LABELMAP', label: t('segments.labelMap') },
        ]}
        onChange={(form) => changeDraft({ form })}
      />
      <SaveButton
        size="xs"
        disabled={isEmpty || isUntyped || draft.label.trim() === ''}
        loading={isPending}
        onClick={() => mutate()}
      >
        {t('segments.save')}
      </SaveButton>
      {isUntyped && <p className={classes.hint}>{t('segments.untyped')}</p>}
      <p role="status" className={classes.hint}>
        {isSuccess && !draft.isChanged ? t('segments.saved') : ''}
      </p>
      {error && <p role="alert">{error.message}</p>}
      <Button
        size="xs"
        variant="subtle"
        color={draft.isChanged ? 'red' : 'gray'}
        onClick={() => {
          leavePainting();
          startSegments();
        }}
      >
        {t(draft.isChanged ? 'segments.discard' : 'segments.leave')}
      </Button>
    </div>
  );
}

interface RowProps {
  segment: Segment;
  isActive: boolean;
  perVoxelMl: number | null;
  onRemove: (() => void) | null;
}

function SegmentRow({ segment, isActive, perVoxelMl, onRemove }: RowProps) {
  const t = useTexts();
  const { number, label, typeCode, colour } = segment;
  const count = useSegments(({ counts }) => counts[number] ?? 0);
  const choose = (): void =>
    useSegments.setState(({ draft }) => ({ draft: draft && { ...draft, active: number } }));
  const volume =
    perVoxelMl === null
      ? t('segments.noVolume')
      : t('segments.volume', { ml: (count * perVoxelMl).toFixed(2) });
  const hex = `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
  return (
    <li className={classes.row} data-segment={number} data-active={isActive || undefined}>
      <label className={classes.choice}>
        <input
          type="radio"
          name="segment"
          checked={isActive}
          aria-label={t('segments.choose', { name: label })}
          onChange={choose}
        />
        <input
          type="color"
          aria-label={t('segments.colour', { name: label })}
          value={hex}
          style={{ background: css(colour) }}
          onChange={(event) => {
            const value = Number.parseInt(event.currentTarget.value.slice(1), 16);
            changeSegment(number, { colour: [value >> 16, (value >> 8) & 255, value & 255] });
          }}
        />
      </label>
      <TextInput
        size="xs"
        aria-label={t('segments.name', { name: label })}
        maxLength={LABEL_MAX}
        key={label}
        defaultValue={label}
        onFocus={choose}
        onKeyDown={(event) => {
          if (event.key === 'Enter') event.currentTarget.blur();
          event.stopPropagation();
        }}
        onBlur={(event) => {
          const text = event.currentTarget.value.trim();
          if (text !== '' && text !== label) changeSegment(number, { label: text });
        }}
      />
      <IconButton
        label={t('segments.remove', { name: label })}
        icon={Trash2}
        isDisabled={onRemove === null}
        onClick={() => onRemove?.()}
      />
      <Select
        size="xs"
        className={classes.wide}
        aria-label={t('segments.type', { name: label })}
        placeholder={t('segments.chooseType')}
        searchable
        value={typeCode}
        data={TYPE_GROUPS.map((group) => ({
          group: t(`segments.groups.${group}`),
          items: TYPES[group].map((code) => ({ value: code, label: t(`segments.types.${code}`) })),
        }))}
        onChange={(code) => {
          if (code !== null && isTypeCode(code)) changeSegment(number, { typeCode: code });
        }}
        onKeyDown={(event) => event.stopPropagation()}
      />
      <p className={classes.counts}>
        {t('segments.voxels', { count })} · {volume}
      </p>
    </li>
  );
}

function Tools({ stack }: { stack: StackDisplaySet }) {
  const t = useTexts();
  const tool = useViewer((state) => state.tool);
  const radius = useSegments((state) => state.radius);
  const range = useSegments((state) => state.range);
  const isLimited = useSegments((state) => state.isLimited);
  const [first] = stack.frames;
  const unit = first ? unitOf(first).unit : '';
  const isColour = (stack.representative.pixels?.samplesPerPixel ?? 1) > 1;
  const bound = (end: 'lower' | 'upper') => (
    <NumberInput
      size="xs"
      hideControls
      label={t(`segments.${end}`, { unit })}
      value={range[end]}
      onChange={(value) => {
        if (typeof value === 'number') useSegments.setState({ range: { ...range, [end]: value } });
      }}
      onKeyDown={(event) => event.stopPropagation()}
    />
  );
  return (
    <>
      <div className={classes.tools} role="group" aria-label={t('segments.tools')}>
        {TOOLS.map(([name, Icon]) => (
          <Tooltip key={name} label={t(`actions.${name}`)}>
            <ActionIcon
              className={toolbarClasses.button}
              size={34}
              aria-label={t(`actions.${name}`)}
              aria-pressed={tool === name}
              disabled={name === 'fill' && isColour}
              onClick={() => choosePaint(name)}
            >
              <Icon size={18} strokeWidth={1.75} />
            </ActionIcon>
          </Tooltip>
        ))}
        <Button size="xs" variant="default" onClick={action('segments').run} className={classes.phone}>
          {t('segments.draw')}
        </Button>
      </div>
      <div>
        <span className={classes.hint}>{t('segments.size', { radius })}</span>
        <Slider
          size="sm"
          min={RADIUS_MIN}
          max={RADIUS_MAX}
          step={0.5}
          label={null}
          thumbLabel={t('segments.size', { radius })}
          value={radius}
          onChange={(value) => useSegments.setState({ radius: value })}
        />
      </div>
      {!isColour && (
        <>
          <div className={classes.range}>
            {bound('lower')}
            {bound('upper')}
          </div>
          <Switch
            size="xs"
            label={t('segments.limited')}
            checked={isLimited}
            onChange={(event) => useSegments.setState({ isLimited: event.currentTarget.checked })}
          />
        </>
      )}
    </>
  );
}

interface IconButtonProps {
  label: string;
  icon: LucideIcon;
  isDisabled?: boolean;
  onClick: () => void;
}

function IconButton({ label, icon: Icon, isDisabled, onClick }: IconButtonProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon size={28} aria-label={label} disabled={isDisabled} onClick={onClick}>
        <Icon size={16} strokeWidth={1.75} />
      </ActionIcon>
    </Tooltip>
  );
}
