import { NativeSelect, NumberInput, SimpleGrid, Switch, TagsInput } from '@mantine/core';
import { useTexts } from '../i18n';
import { presetsFor } from '../lut/presets';
import classes from './Hanging.module.css';
import {
  ANYTHING,
  CUT_MAX_MM,
  CUT_MODES,
  CUT_PLANES,
  type Cut,
  EMPTY,
  PLANE_NAMES,
  PRIORS_MAX,
  type Reformat,
  RENDERING_PRESETS,
  type Selector,
  type Viewport,
  WEIGHTINGS,
} from './protocol';
import { sideInWords } from './words';

const VIEWS = ['CC', 'MLO', 'ML', 'LM', 'LMO', 'FB', 'PA', 'AP', 'LATERAL'];
const CONTRASTS = { any: null, with: true, without: false } as const;
const OWN_WINDOW = 'own';
const SET_WINDOW = 'set';

type Choice = { value: string; label: string };

/** What goes into one viewport, and how it is shown. */
export function ViewportFields(props: {
  viewport: Viewport;
  number: number;
  onChange: (change: Partial<Viewport>) => void;
}) {
  const { viewport, onChange } = props;
  const t = useTexts();
  const { selector } = viewport;
  return (
    <fieldset className={classes.fields} data-role="viewport-fields">
      <legend>{t('hanging.viewport', { number: props.number })}</legend>
      <Switch
        label={t('hanging.showsImages')}
        checked={selector !== null}
        onChange={(event) => onChange(event.currentTarget.checked ? { selector: ANYTHING } : EMPTY)}
      />
      {selector && (
        <>
          <SelectorFields
            selector={selector}
            onChange={(change) => onChange({ selector: { ...selector, ...change } })}
          />
          <LookFields viewport={viewport} selector={selector} onChange={onChange} />
        </>
      )}
    </fieldset>
  );
}

function SelectorFields(props: { selector: Selector; onChange: (change: Partial<Selector>) => void }) {
  const { selector, onChange } = props;
  const t = useTexts();
  const any: Choice = { value: '', label: t('hanging.any') };
  const contrast = (Object.keys(CONTRASTS) as (keyof typeof CONTRASTS)[]).find(
    (each) => CONTRASTS[each] === selector.hasContrast,
  );
  const [thinnest, thickest] = selector.thickness ?? [null, null];
  const setThickness = (from: number | null, to: number | null): void =>
    onChange({ thickness: from === null && to === null ? null : [from ?? 0, to ?? CUT_MAX_MM] });
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, sm: 3 }} spacing="sm" className={classes.line}>
      <NativeSelect
        label={t('hanging.ofStudy')}
        value={String(selector.prior)}
        data={Array.from({ length: PRIORS_MAX + 1 }, (_, prior) => ({
          value: String(prior),
          label: prior === 0 ? t('priors.current') : t('hanging.priorNumber', { number: prior }),
        }))}
        onChange={(event) => onChange({ prior: Number(event.currentTarget.value) })}
      />
      <TagsInput
        label={t('hanging.modality')}
        maxTags={1}
        value={selector.modality === '' ? [] : [selector.modality]}
        onChange={([modality = '']) => onChange({ modality: modality.toUpperCase().slice(0, 16) })}
      />
      <NativeSelect
        label={t('hanging.imagePlane')}
        value={selector.plane}
        data={[any, ...PLANE_NAMES.map((plane) => ({ value: plane, label: t(`hanging.plane.${plane}`) }))]}
        onChange={(event) => onChange({ plane: event.currentTarget.value as Selector['plane'] })}
      />
      <TagsInput
        label={t('hanging.views')}
        data={VIEWS}
        value={[...selector.views]}
        onChange={(views) => onChange({ views: views.map((view) => view.toUpperCase()) })}
      />
      <NativeSelect
        label={t('hanging.sideLabel')}
        value={selector.laterality}
        data={[any, ...['L', 'R'].map((side) => ({ value: side, label: sideInWords(t, side) }))]}
        onChange={(event) => onChange({ laterality: event.currentTarget.value as Selector['laterality'] })}
      />
      <NativeSelect
        label={t('hanging.weightingLabel')}
        value={selector.weighting}
        data={[any, ...WEIGHTINGS.map((each) => ({ value: each, label: t(`hanging.weighting.${each}`) }))]}
        onChange={(event) => onChange({ weighting: event.currentTarget.value as Selector['weighting'] })}
      />
      <NativeSelect
        label={t('hanging.contrastLabel')}
        value={contrast ?? 'any'}
        data={[
          { value: 'any', label: t('hanging.any') },
          { value: 'with', label: t('hanging.contrast') },
          { value: 'without', label: t('hanging.noContrast') },
        ]}
        onChange={(event) =>
          onChange({ hasContrast: CONTRASTS[event.currentTarget.value as keyof typeof CONTRASTS] })
        }
      />
      <TagsInput
        label={t('hanging.imageTypeLabel')}
        value={[...selector.imageType]}
        onChange={(imageType) => onChange({ imageType: imageType.map((each) => each.toUpperCase()) })}
      />
      <Millimetres
        label={t('hanging.thicknessFrom')}
        value={thinnest}
        onChange={(from) => setThickness(from, thickest)}
      />
      <Millimetres
        label={t('hanging.thicknessTo')}
        value={thickest}
        onChange={(to) => setThickness(thinnest, to)}
      />
      <NumberInput
        label={t('hanging.placeLabel')}
        min={1}
        max={100}
        value={selector.place + 1}
        onChange={(value) => {
          if (typeof value === 'number' && value >= 1) onChange({ place: value - 1 });
        }}
      />
    </SimpleGrid>
  );
}

function Millimetres(props: {
  label: string;
  value: number | null;
  onChange: (value: number | null) => void;
}) {
  return (
    <NumberInput
      label={props.label}
      min={0}
      max={CUT_MAX_MM}
      decimalScale={2}
      value={props.value ?? ''}
      onChange={(value) => props.onChange(typeof value === 'number' ? value : null)}
    />
  );
}

const THIN_CUT: Omit<Cut, 'plane'> = { kind: 'plane', thickness: 0, interval: 0, mode: 'mean' };

/** The reformat that a choice of the list stands for; of planes what was said of them before stays. */
function chosenReformat(choice: string, before: Reformat | null): Reformat | null {
  if (choice === '') return null;
  if (choice === 'volume') return { kind: 'volume', preset: '' };
  const plane = CUT_PLANES.find((each) => each === choice) ?? 'axial';
  return before?.kind === 'plane' ? { ...before, plane } : { ...THIN_CUT, plane };
}

function LookFields(props: {
  viewport: Viewport;
  selector: Selector;
  onChange: (change: Partial<Viewport>) => void;
}) {
  const { viewport, onChange } = props;
  const t = useTexts();
  const { window, reformat } = viewport;
  const presets = presetsFor(props.selector.modality);
  const preset = presets.find(({ center, width }) => center === window?.center && width === window.width);
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, sm: 3 }} spacing="sm" className={classes.line}>
      <NativeSelect
        label={t('hanging.shownAs')}
        value={reformat?.kind === 'plane' ? reformat.plane : (reformat?.kind ?? '')}
        data={[
          { value: '', label: t('hanging.asStack') },
          ...CUT_PLANES.map((plane) => ({
            value: plane,
            label: t('hanging.cut', { plane: t(`planes.${plane}`) }),
          })),
          { value: 'volume', label: t('rendering.title') },
        ]}
        onChange={(event) => onChange({ reformat: chosenReformat(event.currentTarget.value, reformat) })}
      />
      {reformat?.kind === 'plane' && (
        <>
          <Millimetres
            label={t('planes.thicknessLabel')}
            value={reformat.thickness}
            onChange={(thickness) => onChange({ reformat: { ...reformat, thickness: thickness ?? 0 } })}
          />
          <Millimetres
            label={t('hanging.interval')}
            value={reformat.interval}
            onChange={(interval) => onChange({ reformat: { ...reformat, interval: interval ?? 0 } })}
          />
          <NativeSelect
            label={t('planes.mode')}
            value={reformat.mode}
            data={CUT_MODES.map((mode) => ({ value: mode, label: t(`planes.${mode}`) }))}
            onChange={(event) =>
              onChange({ reformat: { ...reformat, mode: event.currentTarget.value as Cut['mode'] } })
            }
          />
        </>
      )}
      {reformat?.kind === 'volume' && (
        <NativeSelect
          label={t('rendering.preset')}
          value={reformat.preset}
          data={RENDERING_PRESETS.map((name) => ({
            value: name,
            label: name === '' ? t('hanging.byModality') : t(`rendering.presets.${name}`),
          }))}
          onChange={(event) => {
            const found = RENDERING_PRESETS.find((name) => name === event.currentTarget.value);
            onChange({ reformat: { kind: 'volume', preset: found ?? '' } });
          }}
        />
      )}
      <NativeSelect
        label={t('hanging.windowLabel')}
        value={window === null ? OWN_WINDOW : (preset?.name ?? SET_WINDOW)}
        data={[
          { value: OWN_WINDOW, label: t('presets.own') },
          ...presets.map(({ name }) => ({ value: name, label: t(`presets.${name}` as 'presets.lung') })),
          { value: SET_WINDOW, label: t('hanging.windowSet') },
        ]}
        onChange={(event) => {
          const chosen = presets.find(({ name }) => name === event.currentTarget.value);
          if (event.currentTarget.value === OWN_WINDOW) onChange({ window: null });
          else
            onChange({
              window: chosen
                ? { center: chosen.center, width: chosen.width }
                : (window ?? { center: 40, width: 400 }),
            });
        }}
      />
      {window && (
        <>
          <NumberInput
            label={t('hanging.windowWidth')}
            min={1}
            value={window.width}
            onChange={(width) => {
              if (typeof width === 'number' && width >= 1) onChange({ window: { ...window, width } });
            }}
          />
          <NumberInput
            label={t('hanging.windowCenter')}
            value={window.center}
            onChange={(center) => {
              if (typeof center === 'number') onChange({ window: { ...window, center } });
            }}
          />
        </>
      )}
      <Switch
        className={classes.switch}
        label={t('pane.inverted')}
        checked={viewport.isInverted}
        onChange={(event) => onChange({ isInverted: event.currentTarget.checked })}
      />
    </SimpleGrid>
  );
}
