import { ActionIcon, Button, Checkbox, CloseButton, Select, Slider, Switch, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Eye, EyeOff } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import type { DisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { css } from '../overlays/colour';
import type { KeyImage } from '../overlays/keyImages';
import { isFor } from '../overlays/presentationState';
import { keyObjectsOf, otherStatesOf, segmentationsOf, statesOf, structuresOf } from '../overlays/registry';
import { partKey, togglePart, toggleShown, useObjects } from '../state/objects';
import { useViewer } from '../state/store';
import { applyState, jumpTo, leaveState, saveKeyImages, saveState, shownFrame } from '../tools/objects';
import classes from './ObjectsPanel.module.css';
import { SaveButton } from './SaveButton';

/** Codes of CID 7010 that the server takes; their words are in the texts. */
const TITLES = ['113000', '113002', '113004', '113005', '113003', '113009'] as const;

/** Key images, presentation states, segmentations: what others say of the images, and what the reader says. */
export function ObjectsPanel() {
  const t = useTexts();
  return (
    <aside className={classes.panel} aria-label={t('objects.title')}>
      <div className={classes.head}>
        <h2>{t('objects.title')}</h2>
        <CloseButton
          aria-label={t('objects.close')}
          onClick={() => useObjects.setState({ hasPanel: false })}
        />
      </div>
      <KeyImagesSection />
      <StatesSection />
      <SegmentsSection />
      <OverlaysSection />
    </aside>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section} aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** `Series 3: 12`, as the strip and the corners of the picture count. */
function useImageName(): (image: KeyImage) => string {
  const t = useTexts();
  const displaySets = useViewer((state) => state.displaySets);
  return ({ sopInstanceUid, frameNumbers }) => {
    for (const set of Object.values(displaySets)) {
      const place = placeIn(set, sopInstanceUid, frameNumbers[0] ?? 1);
      if (place !== null)
        return t('objects.image', { series: set.seriesNumber ?? set.description, image: place + 1 });
    }
    return t('objects.otherImage');
  };
}

function placeIn(set: DisplaySet, sopInstanceUid: string, frameNumber: number): number | null {
  if (set.kind !== 'stack') return null;
  const index = set.frames.findIndex(
    (frame) => frame.instance.sopInstanceUid === sopInstanceUid && frame.frameNumber === frameNumber,
  );
  return index < 0 ? null : index;
}

function ImageList({ images }: { images: readonly KeyImage[] }) {
  const nameOf = useImageName();
  return (
    <div className={classes.images}>
      {images
        .flatMap(({ sopInstanceUid, frameNumbers }): KeyImage[] =>
          frameNumbers.length > 0
            ? frameNumbers.map((frame) => ({ sopInstanceUid, frameNumbers: [frame] }))
            : [{ sopInstanceUid, frameNumbers }],
        )
        .map((image) => (
          <button
            key={`${image.sopInstanceUid}#${image.frameNumbers.join()}`}
            type="button"
            className={classes.image}
            data-sop={image.sopInstanceUid}
            onClick={() => void jumpTo(image)}
          >
            {nameOf(image)}
          </button>
        ))}
    </div>
  );
}

function KeyImagesSection() {
  const t = useTexts();
  const locale = useLocale();
  const marked = useObjects((state) => state.marked);
  const displaySets = useViewer((state) => state.displaySets);
  const saved = keyObjectsOf(displaySets);
  const [title, setTitle] = useState<string>(TITLES[0]);
  const [description, setDescription] = useState('');
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => saveKeyImages(title, description),
    onSuccess: () => setDescription(''),
  });
  return (
    <Section title={t('objects.keyImages')}>
      {marked.length === 0 && saved.length === 0 && (
        <p className={classes.none}>{t('objects.noKeyImages')}</p>
      )}
      {saved.map((each) => (
        <div key={each.sopInstanceUid} className={classes.object} data-key-objects={each.sopInstanceUid}>
          <div className={classes.title}>
            <bdi>{each.title || t('object.keyObjects')}</bdi>
          </div>
          <p className={classes.meta}>
            {[each.author, formatDicomDate(each.contentDate, locale)].filter(Boolean).join(' · ')}
          </p>
          {each.description && <p className={classes.meta}>{each.description}</p>}
          <ImageList images={each.images} />
        </div>
      ))}
      {marked.length > 0 && (
        <form
          className={classes.form}
          onSubmit={(event) => {
            event.preventDefault();
            mutate();
          }}
        >
          <p className={classes.meta}>{t('objects.marked', { count: marked.length })}</p>
          <ImageList
            images={marked.map(({ sopInstanceUid, frameNumber }) => ({
              sopInstanceUid,
              frameNumbers: [frameNumber],
            }))}
          />
          <Select
            size="xs"
            aria-label={t('objects.reason')}
            data={TITLES.map((value) => ({ value, label: t(`objects.reasons.${value}`) }))}
            value={title}
            allowDeselect={false}
            onChange={(value) => setTitle(value ?? TITLES[0])}
          />
          <TextInput
            size="xs"
            maxLength={1024}
            placeholder={t('objects.description')}
            aria-label={t('objects.description')}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <SaveButton type="submit" size="xs" loading={isPending}>
            {t('objects.saveKeyImages')}
          </SaveButton>
          {error && (
            <p role="alert" className={classes.meta}>
              {error.message}
            </p>
          )}
        </form>
      )}
    </Section>
  );
}

function StatesSection() {
  const t = useTexts();
  const locale = useLocale();
  const states = statesOf(useViewer((state) => state.displaySets));
  const others = otherStatesOf(useViewer((state) => state.displaySets));
  const active = useViewer((state) => state.active);
  const hasStack = useViewer((state) => shownFrame(state.active) !== undefined);
  const applied = useObjects((state) => state.applied[active]);
  const [missing, setMissing] = useState<string | null>(null);
  const [label, setLabel] = useState('');
  const [isForAll, setIsForAll] = useState(false);
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => saveState({ label, description: label, isForAll }),
    onSuccess: () => setLabel(''),
  });
  const apply = async (uid: string): Promise<void> => {
    const state = states.find((each) => each.sopInstanceUid === uid);
    if (state) setMissing((await applyState(state)) ? null : uid);
  };
  const frame = shownFrame(active);
  return (
    <Section title={t('objects.states')}>
      {states.length + others.length === 0 && <p className={classes.none}>{t('objects.noStates')}</p>}
      {states.map((state) => {
        const isOn = applied === state.sopInstanceUid;
        return (
          <div key={state.sopInstanceUid} className={classes.object} data-state={state.sopInstanceUid}>
            <div className={classes.title}>
              <bdi>{state.description || state.label}</bdi>
              <Button
                size="compact-xs"
                variant={isOn ? 'filled' : 'default'}
                aria-pressed={isOn}
                aria-label={t(isOn ? 'objects.leaveNamed' : 'objects.applyNamed', { name: state.label })}
                onClick={() => (isOn ? leaveState(active) : void apply(state.sopInstanceUid))}
              >
                {t(isOn ? 'objects.leave' : 'objects.apply')}
              </Button>
            </div>
            <p className={classes.meta}>
              {[state.author, formatDicomDate(state.date, locale)].filter(Boolean).join(' · ')}
              {frame && !isFor(state, frame) ? ` · ${t('objects.ofOtherImage')}` : ''}
            </p>
            {missing === state.sopInstanceUid && (
              <p role="alert" className={classes.meta}>
                {t('objects.stateWithoutImage')}
              </p>
            )}
          </div>
        );
      })}
      {others.map(({ sopInstanceUid, label: name, isRendered, pictureUrl }) => (
        <div key={sopInstanceUid} className={classes.object} data-state={sopInstanceUid}>
          <div className={classes.title}>
            <bdi>{name}</bdi>
            {isRendered && (
              <Button
                component="a"
                href={pictureUrl}
                target="_blank"
                rel="noreferrer"
                size="compact-xs"
                variant="default"
                aria-label={t('objects.pictureNamed', { name })}
              >
                {t('objects.picture')}
              </Button>
            )}
          </div>
          <p className={classes.meta}>{t(isRendered ? 'objects.stateOfServer' : 'objects.stateUnknown')}</p>
        </div>
      ))}
      {hasStack && (
        <form
          className={classes.form}
          onSubmit={(event) => {
            event.preventDefault();
            mutate();
          }}
        >
          <TextInput
            size="xs"
            maxLength={16}
            required
            placeholder={t('objects.stateLabel')}
            aria-label={t('objects.stateLabel')}
            value={label}
            onChange={(event) => setLabel(event.currentTarget.value)}
          />
          <Checkbox
            size="xs"
            label={t('objects.forAll')}
            checked={isForAll}
            onChange={(event) => setIsForAll(event.currentTarget.checked)}
          />
          <SaveButton type="submit" size="xs" variant="default" loading={isPending}>
            {t('objects.saveState')}
          </SaveButton>
          {error && (
            <p role="alert" className={classes.meta}>
              {error.message}
            </p>
          )}
        </form>
      )}
    </Section>
  );
}

interface Part {
  number: number;
  label: string;
  colour: readonly [number, number, number];
}

function SegmentsSection() {
  const t = useTexts();
  const displaySets = useViewer((state) => state.displaySets);
  const opacity = useObjects((state) => state.opacity);
  const objects: { uid: string; label: string; parts: Part[] }[] = [
    ...segmentationsOf(displaySets).map(({ sopInstanceUid, label, segments }) => ({
      uid: sopInstanceUid,
      label: label || t('object.segmentation'),
      parts: segments.map((each) => ({ ...each, label: each.label || each.type })),
    })),
    ...structuresOf(displaySets).map(({ sopInstanceUid, label, regions }) => ({
      uid: sopInstanceUid,
      label: label || t('object.structureSet'),
      parts: regions.map(({ number, name, colour }) => ({ number, label: name, colour })),
    })),
  ];
  return (
    <Section title={t('objects.segments')}>
      {objects.length === 0 && <p className={classes.none}>{t('objects.noSegments')}</p>}
      {objects.map(({ uid, label, parts }) => (
        <SegmentedObject key={uid} uid={uid} label={label} parts={parts} />
      ))}
      {objects.length > 0 && (
        <Slider
          size="sm"
          mt={8}
          min={0.05}
          max={1}
          step={0.05}
          thumbLabel={t('objects.opacity')}
          label={(value) => `${Math.round(value * 100)} %`}
          value={opacity}
          onChange={(value) => useObjects.setState({ opacity: value })}
        />
      )}
    </Section>
  );
}

function SegmentedObject({ uid, label, parts }: { uid: string; label: string; parts: Part[] }) {
  const t = useTexts();
  const isShown = useObjects((state) => state.shown.includes(uid));
  const hidden = useObjects((state) => state.hidden);
  const Icon = isShown ? Eye : EyeOff;
  return (
    <div className={classes.object} data-segmented={uid}>
      <div className={classes.title}>
        <bdi>{label}</bdi>
        <ActionIcon
          size={24}
          aria-pressed={isShown}
          aria-label={t('objects.show', { name: label })}
          onClick={() => toggleShown(uid)}
        >
          <Icon size={16} />
        </ActionIcon>
      </div>
      {isShown && (
        <ul>
          {parts.map((part) => (
            <li key={part.number}>
              <button
                type="button"
                className={classes.part}
                aria-pressed={!hidden.includes(partKey(uid, part.number))}
                onClick={() => togglePart(uid, part.number)}
              >
                <span className={classes.swatch} style={{ background: css(part.colour) }} />
                <bdi>{part.label || part.number}</bdi>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function OverlaysSection() {
  const t = useTexts();
  const hasPlanes = useObjects((state) => state.hasPlanes);
  const hasShutters = useObjects((state) => state.hasShutters);
  return (
    <Section title={t('objects.overlays')}>
      <Switch
        size="xs"
        label={t('objects.planes')}
        checked={hasPlanes}
        onChange={(event) => useObjects.setState({ hasPlanes: event.currentTarget.checked })}
      />
      <Switch
        size="xs"
        mt={6}
        label={t('objects.shutters')}
        checked={hasShutters}
        onChange={(event) => useObjects.setState({ hasShutters: event.currentTarget.checked })}
      />
    </Section>
  );
}
