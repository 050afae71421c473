import { ActionIcon, Menu, SegmentedControl, Select, Slider, Tooltip } from '@mantine/core';
import { Box } from 'lucide-react';
import { useTexts } from '../i18n';
import { suvFactor, type SuvKind } from '../data/suv';
import { COLOUR_MAPS, type ColourMap } from '../lut/colourMaps';
import { useSpace } from '../state/space';
import { useViewer } from '../state/store';
import { changeFusion, setSlabTo, SLAB_MAX_MM, SLAB_MODES } from '../tools/spatial';
import classes from './PlanesMenu.module.css';
import { ActionItem } from './SpaceMenu';
import toolbarClasses from './Toolbar.module.css';

const SUV_KINDS: SuvKind[] = ['bw', 'lbm', 'bsa'];

/** Planes of a volume, their thickness, and a second series over them. */
export function PlanesMenu() {
  const t = useTexts();
  const isOn = useSpace(({ planes, fusion }) => planes !== null || fusion !== null);
  return (
    <Menu width={340} closeOnItemClick={false}>
      <Menu.Target>
        <Tooltip label={t('planes.title')}>
          <ActionIcon
            className={toolbarClasses.button}
            size={30}
            aria-label={t('planes.title')}
            aria-pressed={isOn}
          >
            <Box size={18} strokeWidth={1.75} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <PlanesItems />
      </Menu.Dropdown>
    </Menu>
  );
}

function PlanesItems() {
  const t = useTexts();
  const planes = useSpace((state) => state.planes);
  const fusion = useSpace((state) => state.fusion);
  return (
    <>
      <ActionItem name="rendering" />
      <ActionItem name="planes" isOn={planes !== null} />
      {planes && (
        <>
          <div className={classes.settings}>
            <span id="slab">{t('planes.thickness', { mm: planes.slab.thicknessMm })}</span>
            <Slider
              min={0}
              max={SLAB_MAX_MM}
              step={1}
              value={planes.slab.thicknessMm}
              label={null}
              thumbLabel={t('planes.thicknessLabel')}
              onChange={(thicknessMm) => void setSlabTo({ thicknessMm })}
            />
            <SegmentedControl
              size="xs"
              fullWidth
              aria-label={t('planes.mode')}
              value={planes.slab.mode}
              data={SLAB_MODES.map((mode) => ({ value: mode, label: t(`planes.${mode}`) }))}
              onChange={(mode) => void setSlabTo({ mode })}
            />
          </div>
          <ActionItem name="straighten" />
        </>
      )}
      <Menu.Divider />
      <ActionItem name="fusion" isOn={fusion !== null} />
      {fusion && <FusionSettings />}
    </>
  );
}

function FusionSettings() {
  const t = useTexts();
  const fusion = useSpace((state) => state.fusion);
  const suvKind = useSpace((state) => state.suvKind);
  const overlay = useViewer(({ displaySets }) => (fusion ? displaySets[fusion.overlayId] : undefined));
  const frame = overlay?.kind === 'stack' ? overlay.frames[0] : undefined;
  if (!fusion || !frame) return null;
  const factor = suvFactor(frame, suvKind);
  const inSuv = factor.kind === 'factor' ? factor.factor : null;
  const brightest = fusion.upper * (inSuv ?? 1);
  return (
    <div className={classes.settings}>
      <span>{t('fusion.opacity', { percent: Math.round(fusion.opacity * 100) })}</span>
      <Slider
        min={0}
        max={1}
        step={0.05}
        value={fusion.opacity}
        label={null}
        thumbLabel={t('fusion.opacityLabel')}
        onChange={(opacity) => changeFusion({ opacity })}
      />
      <span>
        {t(inSuv === null ? 'fusion.brightest' : 'fusion.brightestSuv', { value: brightest.toFixed(1) })}
      </span>
      <Slider
        min={inSuv === null ? fusion.upper / 20 : 0.5}
        max={inSuv === null ? fusion.upper * 2 : 30}
        step={inSuv === null ? fusion.upper / 20 : 0.5}
        value={brightest}
        label={null}
        thumbLabel={t('fusion.brightestLabel')}
        onChange={(value) => changeFusion({ upper: value / (inSuv ?? 1) })}
      />
      <Select
        size="xs"
        label={t('fusion.map')}
        value={fusion.map}
        allowDeselect={false}
        comboboxProps={{ withinPortal: false }}
        data={COLOUR_MAPS.map((map) => ({ value: map, label: t(`fusion.${map}`) }))}
        onChange={(map) => changeFusion({ map: map as ColourMap })}
      />
      <SegmentedControl
        size="xs"
        fullWidth
        aria-label={t('suv.kind')}
        value={suvKind}
        data={SUV_KINDS.map((kind) => ({ value: kind, label: t(`suv.${kind}`) }))}
        onChange={(kind) => useSpace.setState({ suvKind: kind })}
      />
      {factor.kind === 'missing' && <p className={classes.missing}>{t(`suv.${factor.gap}`)}</p>}
    </div>
  );
}
