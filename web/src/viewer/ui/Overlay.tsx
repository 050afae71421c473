import { useElementSize } from '@mantine/hooks';
import { formatDicomDate, formatDicomTime, parseDicomDate } from '@/lib/dates';
import { formatName } from '@/lib/names';
import { useLocale } from '@/lib/useLocale';
import { useAgeText, useSexText } from '@/ui/PatientFacts';
import { text, texts } from '../data/dicomJson';
import type { StackDisplaySet } from '../data/displaySets';
import { type Frame, frameText, readPatientAndStudy } from '../data/frames';
import { edgeLetters, type Presentation, scaleBarLength, scaleOf, type Size } from '../data/orientation';
import type { Point2 } from '../data/vectors';
import { geometryOf } from '../engine/geometry';
import { useTexts } from '../i18n';
import type { TextKey } from '../i18n';
import type { Voi } from '../lut/voi';
import { useViewChoice } from '../prefs/view';
import { type Pane, type PaneId, useViewer } from '../state/store';
import { engineIfLoaded } from '../tools/withEngine';
import { Badges } from './Badges';
import classes from './Overlay.module.css';

interface OverlayProps {
  id: PaneId;
  stack: StackDisplaySet;
  hover: Point2 | null;
  isNarrow: boolean;
}

/** A number as short as it can be without hiding a difference: 400, 0.25, -1.3e-5. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

/** Text in the corners, letters at the edges, and the scale. */
export function Overlay({ id, stack, hover, isNarrow }: OverlayProps) {
  const { ref, width, height } = useElementSize();
  const pane = useViewer((state) => state.panes[id]);
  const hasOverlay = useViewer((state) => state.hasOverlay);
  const { hidden } = useViewChoice();
  const frame = pane.shown === null ? undefined : stack.frames[pane.shown];
  const isSmall = isNarrow || width < 460 || height < 320;
  return (
    <div ref={ref} className={classes.overlay} data-small={isSmall || undefined}>
      {frame && !hidden.includes('letters') && <Letters frame={frame} presentation={pane.presentation} />}
      {frame && hasOverlay && (
        <>
          {!isNarrow && !hidden.includes('patient') && <PatientCorner frame={frame} />}
          {!isSmall && !hidden.includes('study') && <StudyCorner frame={frame} />}
          {!hidden.includes('series') && <SeriesCorner frame={frame} stack={stack} pane={pane} />}
          <ViewCorner
            frame={frame}
            pane={pane}
            size={{ width, height }}
            hover={hover}
            id={id}
            stack={stack}
          />
          {width > 0 && !hidden.includes('scale') && (
            <ScaleBar frame={frame} presentation={pane.presentation} size={{ width, height }} />
          )}
        </>
      )}
    </div>
  );
}

function PatientCorner({ frame }: { frame: Frame }) {
  const locale = useLocale();
  const ageText = useAgeText();
  const sexText = useSexText();
  const patient = readPatientAndStudy(frame.instance.dataset);
  const { main, others } = formatName(patient.patientName);
  const facts = [
    sexText(patient.patientSex),
    formatDicomDate(patient.patientBirthDate, locale),
    ageText(patient.patientBirthDate, parseDicomDate(patient.studyDate)),
  ];
  return (
    <div className={classes.corner} data-corner="top-left">
      <bdi className={classes.name}>{main}</bdi>
      {others.map((other) => (
        <bdi key={other}>{other}</bdi>
      ))}
      <bdi>{patient.patientId}</bdi>
      <span>{facts.filter(Boolean).join(' · ')}</span>
    </div>
  );
}

function StudyCorner({ frame }: { frame: Frame }) {
  const locale = useLocale();
  const { dataset } = frame.instance;
  const study = readPatientAndStudy(dataset);
  const day = formatDicomDate(study.studyDate, locale);
  const time = formatDicomTime(study.studyTime);
  return (
    <div className={classes.corner} data-corner="top-right">
      <span>{[day, time].filter(Boolean).join('  ')}</span>
      <bdi>{study.studyDescription}</bdi>
      <bdi>{text(dataset, '00080080')}</bdi>
      <bdi>{study.accessionNumber}</bdi>
    </div>
  );
}

function SeriesCorner({ frame, stack, pane }: { frame: Frame; stack: StackDisplaySet; pane: Pane }) {
  const t = useTexts();
  const { sliceLocation, sliceThickness } = frame;
  const number = stack.seriesNumber === null ? '' : `${t('pane.series')} ${stack.seriesNumber}`;
  return (
    <div className={classes.corner} data-corner="bottom-left">
      <bdi>{[number, stack.description].filter(Boolean).join('  ')}</bdi>
      <span data-role="position">{`${(pane.shown ?? pane.index) + 1} / ${stack.frames.length}`}</span>
      {sliceLocation !== null && <span>{`${t('pane.slice')} ${sliceLocation.toFixed(1)} mm`}</span>}
      {sliceThickness !== null && <span>{`${t('pane.thickness')} ${shortNumber(sliceThickness)} mm`}</span>}
    </div>
  );
}

export function windowText(t: ReturnType<typeof useTexts>, voi: Voi): string {
  if (voi.kind === 'table') return voi.explanation || t('presets.table');
  return t('pane.windowShort', { width: shortNumber(voi.width), center: shortNumber(voi.center) });
}

const PRESET_NAMES = ['softTissue', 'lung', 'bone', 'brain', 'liver', 'mediastinum', 'automatic'];

/** The name of a preset: ours in the reader's language, a person's own as they wrote it. */
export const presetLabel = (t: ReturnType<typeof useTexts>, name: string): string =>
  PRESET_NAMES.includes(name) ? t(`presets.${name}` as TextKey) : name;

function ViewCorner(props: {
  frame: Frame;
  pane: Pane;
  size: Size;
  hover: Point2 | null;
  id: PaneId;
  stack: StackDisplaySet;
}) {
  const t = useTexts();
  const { frame, pane, size } = props;
  const geometry = geometryOf(frame);
  const { instance } = frame;
  const percent =
    geometry && size.width > 0
      ? scaleOf(geometry, pane.presentation, size) *
        geometry.columnSpacing *
        (window.devicePixelRatio || 1) *
        100
      : null;
  const name = pane.voi.kind === 'set' ? pane.voi.name : null;
  const isQuiet = useViewChoice().hidden.includes('view');
  return (
    <div className={classes.corner} data-corner="bottom-right">
      {props.hover && <Probe id={props.id} frame={frame} point={props.hover} />}
      <Badges id={props.id} frame={frame} stack={props.stack} />
      {instance.isLossy && (
        <span className={classes.lossy}>
          {instance.lossyRatio
            ? t('pane.lossyRatio', { ratio: shortNumber(instance.lossyRatio) })
            : t('pane.lossy')}
        </span>
      )}
      {pane.isInverted && <span>{t('pane.inverted')}</span>}
      {name !== null && !isQuiet && <span>{presetLabel(t, name)}</span>}
      {pane.shownVoi && !isQuiet && <span data-role="window">{windowText(t, pane.shownVoi)}</span>}
      {percent !== null && !isQuiet && (
        <span data-role="zoom">{`${t('pane.zoom')} ${percent.toFixed(0)} %`}</span>
      )}
    </div>
  );
}

/** The unit of modality values: HU, or what the object states and people read. */
function unitOf(frame: Frame): string {
  if (frame.instance.modality === 'CT') return 'HU';
  const unit = frameText(frame, '00541001') || frameText(frame, '00281054');
  return unit === 'US' || unit === 'CNTS' ? '' : unit;
}

function Probe({ id, frame, point }: { id: PaneId; frame: Frame; point: Point2 }) {
  const probe = engineIfLoaded()?.session.probe(id, point);
  if (!probe) return null;
  const { column, row, values } = probe;
  const unit = values.length === 1 ? unitOf(frame) : 'RGB';
  return (
    <span data-role="probe">
      {`${column}, ${row}: ${values.map(shortNumber).join(' ')}${unit ? ` ${unit}` : ''}`}
    </span>
  );
}

function Letters({ frame, presentation }: { frame: Frame; presentation: Presentation }) {
  const letters = edgeLetters(
    frame.plane,
    texts(frame.instance.dataset, '00200020'),
    presentation.orientation,
  );
  if (!letters) return null;
  return (
    <div className={classes.letters}>
      {(['top', 'right', 'bottom', 'left'] as const).map((edge) => (
        <span key={edge} data-edge={edge}>
          {letters[edge]}
        </span>
      ))}
    </div>
  );
}

function ScaleBar({ frame, presentation, size }: { frame: Frame; presentation: Presentation; size: Size }) {
  const t = useTexts();
  const geometry = geometryOf(frame);
  const { spacingSource } = frame.plane;
  if (!geometry || spacingSource === 'none' || spacingSource === 'aspect') return null;
  const pixelsPerMm = scaleOf(geometry, presentation, size);
  const millimetres = scaleBarLength(pixelsPerMm, size.width * 0.25);
  const label = millimetres >= 10 ? `${millimetres / 10} cm` : `${millimetres} mm`;
  return (
    <div className={classes.scale} data-role="scale" data-mm={millimetres}>
      <span>{spacingSource === 'detector' ? `${label} ${t('pane.detectorScale')}` : label}</span>
      <div style={{ width: millimetres * pixelsPerMm }} />
    </div>
  );
}
