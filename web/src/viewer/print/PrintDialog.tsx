import { Alert, Button, Checkbox, Group, NumberInput, SegmentedControl, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { saveFile } from '@/lib/saveFile';
import { Dialog } from '@/ui/Dialog';
import type { Identity } from '../capture/captions';
import { rangeWithin } from '../capture/filmPlan';
import { useOutput } from '../capture/state';
import { IdentityChoice, useWork, WorkProgress } from '../capture/work';
import { RangeFields } from '../capture/RangeFields';
import { instanceThumbnailUrl } from '../data/dicomweb';
import { useTexts } from '../i18n';
import { stackOf, useViewer } from '../state/store';
import { tell } from '../tools/spatial';
import type { Printed, Printing } from './document';
import { printFile } from './output';
import {
  bodyOf,
  boxesOf,
  COLUMNS_MAX,
  PAGES_MAX,
  pagesFor,
  pageSize,
  type Paper,
  PAPERS,
  ROWS_MAX,
  type Sheet,
  shapedBox,
} from './pages';
import { aspectOf } from './stage';
import classes from './PrintDialog.module.css';
import { frameOf, type Tile, tilesOfKeyImages, tilesOfStack, tilesOfViewports } from './tiles';

const SOURCES = ['viewports', 'series', 'keyImages'] as const;
type Source = (typeof SOURCES)[number];

const close = (): void => useOutput.setState({ dialog: null });
const isPaper = (value: string): value is Paper => value in PAPERS;
const isSource = (value: string): value is Source => (SOURCES as readonly string[]).includes(value);

/** Sets images on pages: which, on what paper, how many to the page, and whose they are. */
export function PrintDialog() {
  const t = useTexts();
  const isOpened = useOutput(({ dialog }) => dialog === 'print');
  return (
    <Dialog opened={isOpened} onClose={close} title={t('print.title')} size="xl" closeOnClickOutside={false}>
      <PrintForm />
    </Dialog>
  );
}

function PrintForm() {
  const t = useTexts();
  const count = useViewer((state) => stackOf(state, state.active)?.frames.length ?? 0);
  const [source, setSource] = useState<Source>('viewports');
  const [paper, setPaper] = useState<Paper>('a4');
  const [isLandscape, setIsLandscape] = useState(false);
  const [grid, setGrid] = useState({ rows: 5, columns: 4 });
  const [asked, setAsked] = useState({ from: 0, to: Math.max(0, count - 1), step: 1 });
  const [identity, setIdentity] = useState<Identity>('patient');
  const [isTrueSize, setIsTrueSize] = useState(false);
  const [progress, setProgress] = useState({ done: 0, count: 1 });
  const { isWorking, reason, run, stop } = useWork();
  const keyImages = useQuery({
    queryKey: ['print', 'keyImages'],
    queryFn: tilesOfKeyImages,
    enabled: source === 'keyImages',
    staleTime: 0,
    gcTime: 0,
  });

  const viewports = tilesOfViewports();
  const tiles: (Tile | null)[] =
    source === 'viewports'
      ? viewports.tiles
      : source === 'series'
        ? tilesOfStack(rangeWithin(Math.max(1, count), asked), asked.step)
        : (keyImages.data ?? []);
  const sheet: Sheet = {
    paper,
    isLandscape,
    ...(source === 'viewports' ? { rows: viewports.rows, columns: viewports.columns } : grid),
  };
  const images = tiles.filter((tile) => tile !== null).length;
  const pages = pagesFor(tiles.length, sheet);
  const isTooLong = pages > PAGES_MAX;
  const [box] = boxesOf(sheet);
  const make = (use: (printed: Printed) => void): void =>
    run(async (signal) => {
      const { makeDocument } = await import('./document');
      const printing: Printing = { sheet, tiles, identity, isTrueSize, isShaped: source === 'viewports' };
      const printed = await makeDocument(printing, {
        onProgress: (done, all) => setProgress({ done, count: all }),
        signal,
      });
      close();
      use(printed);
      tell(printed.notice);
    });
  const whole = (value: string | number, otherwise: number): number => Math.round(Number(value)) || otherwise;

  return (
    <div className={classes.columns}>
      <Stack gap="sm">
        <SegmentedControl
          aria-label={t('print.images')}
          value={source}
          disabled={isWorking}
          onChange={(value) => {
            if (isSource(value)) setSource(value);
          }}
          data={SOURCES.map((value) => ({ value, label: t(`print.source.${value}`) }))}
        />
        {source === 'series' && (
          <Group grow align="start">
            <RangeFields asked={asked} count={count} isDisabled={isWorking} onChange={setAsked} />
            <NumberInput
              label={t('print.every')}
              min={1}
              max={Math.max(1, count)}
              allowDecimal={false}
              disabled={isWorking}
              value={asked.step}
              onChange={(value) => setAsked({ ...asked, step: Math.max(1, whole(value, 1)) })}
            />
          </Group>
        )}
        {source !== 'viewports' && (
          <Group grow align="start">
            <NumberInput
              label={t('print.rows')}
              min={1}
              max={ROWS_MAX}
              clampBehavior="strict"
              allowDecimal={false}
              disabled={isWorking}
              value={grid.rows}
              onChange={(value) => setGrid({ ...grid, rows: whole(value, 1) })}
            />
            <NumberInput
              label={t('print.columns')}
              min={1}
              max={COLUMNS_MAX}
              clampBehavior="strict"
              allowDecimal={false}
              disabled={isWorking}
              value={grid.columns}
              onChange={(value) => setGrid({ ...grid, columns: whole(value, 1) })}
            />
          </Group>
        )}
        <div className={classes.paper}>
          <SegmentedControl
            aria-label={t('print.paper')}
            value={paper}
            disabled={isWorking}
            onChange={(value) => {
              if (isPaper(value)) setPaper(value);
            }}
            data={[
              { value: 'a4', label: 'A4' },
              { value: 'letter', label: 'Letter' },
            ]}
          />
          <SegmentedControl
            aria-label={t('print.orientation')}
            value={isLandscape ? 'landscape' : 'portrait'}
            disabled={isWorking}
            onChange={(value) => setIsLandscape(value === 'landscape')}
            data={[
              { value: 'portrait', label: t('print.portrait') },
              { value: 'landscape', label: t('print.landscape') },
            ]}
          />
        </div>
        <IdentityChoice identity={identity} isDisabled={isWorking} onChange={setIdentity} />
        <Checkbox
          label={t('print.trueSize')}
          description={t('print.trueSizeText')}
          checked={isTrueSize}
          disabled={isWorking}
          onChange={(event) => setIsTrueSize(event.currentTarget.checked)}
        />
        {isWorking && (
          <WorkProgress
            words={t('capture.drawing', { done: progress.done, count: progress.count })}
            share={progress.done / progress.count}
          />
        )}
        {reason && <Alert color="red">{reason}</Alert>}
      </Stack>
      <Stack gap="xs">
        <Preview sheet={sheet} tiles={tiles} isShaped={source === 'viewports'} />
        <Text size="sm" c={isTooLong ? 'red' : 'dimmed'} role={isTooLong ? 'alert' : undefined}>
          {isTooLong
            ? t('print.tooLong', { pages, allowed: PAGES_MAX })
            : t('print.summary', {
                images,
                pages,
                width: Math.floor(box?.width ?? 0),
                height: Math.floor(box?.height ?? 0),
              })}
        </Text>
        <Button
          loading={isWorking}
          disabled={isTooLong || images === 0}
          onClick={() => make(({ name, file }) => saveFile(name, file))}
        >
          {t('print.save')}
        </Button>
        <Button
          variant="light"
          disabled={isWorking || isTooLong || images === 0}
          onClick={() => make(printFile)}
        >
          {t('print.print')}
        </Button>
        <Button variant="default" onClick={isWorking ? stop : close}>
          {t(isWorking ? 'capture.stop' : 'capture.cancel')}
        </Button>
      </Stack>
    </div>
  );
}

/** The first page, with small pictures of what is on it. */
function Preview({ sheet, tiles, isShaped }: { sheet: Sheet; tiles: (Tile | null)[]; isShaped: boolean }) {
  const t = useTexts();
  const { width, height } = pageSize(sheet);
  const body = bodyOf(sheet);
  return (
    <svg
      className={classes.preview}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={t('print.preview')}
    >
      <rect className={classes.line} x={body.x} y={body.y} width={body.width * 0.3} height={3} />
      <rect className={classes.line} x={body.x} y={body.y + 5} width={body.width * 0.2} height={2} />
      {boxesOf(sheet).map((place, at) => {
        const tile = tiles[at];
        const frame = tile && frameOf(tile);
        if (!frame) return null;
        const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = frame.instance;
        const box = isShaped ? shapedBox(place, aspectOf(tile.pane)) : place;
        return (
          <g key={`${tile.displaySetId} ${tile.index} ${at}`}>
            <rect className={classes.box} {...box} />
            {sopInstanceUid !== '' && (
              <image
                {...box}
                href={instanceThumbnailUrl(studyInstanceUid, seriesInstanceUid, sopInstanceUid)}
              />
            )}
          </g>
        );
      })}
    </svg>
  );
}
