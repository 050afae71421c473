import { Loader } from '@mantine/core';
import { Check, FileText, ImageOff } from 'lucide-react';
import { useState } from 'react';
import { ModalityBadge } from '@/ui/ModalityBadge';
import { instanceThumbnailUrl, seriesThumbnailUrl } from '../data/dicomweb';
import type { DisplaySet } from '../data/displaySets';
import { ensureSeries } from '../data/opening';
import { mayHoldImages } from '../data/sopClasses';
import { useDisplayedIn } from '../displayed/displayed';
import { useTexts } from '../i18n';
import { useSpace } from '../state/space';
import { openDisplaySet, PANES, type SeriesEntry, useViewer } from '../state/store';
import { carryByKeys, leaveCarried, seriesItem, startDragging } from './dragging';
import classes from './Strip.module.css';

/** The study's series: thumbnails to press, or to drag to a viewport. */
export function Strip({ isNarrow }: { isNarrow: boolean }) {
  const t = useTexts();
  const series = useViewer((state) => state.series);
  const displaySets = useViewer((state) => state.displaySets);
  const carried = useSpace((state) => state.carried);
  return (
    <nav className={classes.strip} aria-label={t('strip.title')} data-narrow={isNarrow || undefined}>
      <ul>
        {series.map((entry) =>
          entry.state.kind === 'ready' ? (
            entry.state.displaySetIds.map((id) => {
              const set = displaySets[id];
              return set && <DisplaySetItem key={id} displaySet={set} isNarrow={isNarrow} />;
            })
          ) : (
            <SeriesItem key={entry.summary.seriesInstanceUid} entry={entry} />
          ),
        )}
      </ul>
      <p className={classes.carried} role="status">
        {carried && t('strip.carried', { number: PANES.indexOf(carried.target) + 1 })}
      </p>
    </nav>
  );
}

const panesShowing = (id: string) => (state: ReturnType<typeof useViewer.getState>) =>
  Object.values(state.panes).some((pane) => pane.displaySetId === id);

function DisplaySetItem({ displaySet, isNarrow }: { displaySet: DisplaySet; isNarrow: boolean }) {
  const t = useTexts();
  const isShown = useViewer(panesShowing(displaySet.id));
  const isActive = useViewer((state) => state.panes[state.active].displaySetId === displaySet.id);
  const loaded = useViewer((state) => state.loaded[displaySet.id] ?? 0);
  const { representative: instance } = displaySet;
  const isStack = displaySet.kind === 'stack';
  const hasPicture = isStack || displaySet.object === 'waveform';
  const count = isStack ? displaySet.frames.length : 1;
  const displayed = useDisplayedIn(isStack ? displaySet : null);
  const counted = isStack
    ? t(displaySet.isMultiFrame ? 'strip.frames' : 'strip.images', { count })
    : t(`object.${displaySet.object}`);
  const open = (): void => {
    openDisplaySet(useViewer.getState().active, displaySet.id);
    if (isNarrow) useViewer.setState({ hasStrip: false });
  };
  return (
    <li>
      <button
        type="button"
        className={classes.item}
        data-shown={isShown || undefined}
        data-active={isActive || undefined}
        data-display-set={displaySet.id}
        aria-current={isActive || undefined}
        aria-description={t('strip.carry')}
        draggable
        onDragStart={(event) => startDragging(event, displaySet.id)}
        onKeyDown={(event) => carryByKeys(event, displaySet.id)}
        onBlur={leaveCarried}
        onClick={open}
      >
        <Thumbnail
          url={
            hasPicture
              ? instanceThumbnailUrl(
                  instance.studyInstanceUid,
                  instance.seriesInstanceUid,
                  instance.sopInstanceUid,
                )
              : null
          }
          isObject={!hasPicture}
        />
        <Caption
          number={displaySet.seriesNumber}
          modality={displaySet.modality}
          description={displaySet.description || (isStack ? '' : displaySet.title)}
          count={counted}
          displayed={isStack ? displayed : null}
          isAll={displayed === count}
        />
        {isStack && count > 1 && loaded > 0 && loaded < count && (
          <span className={classes.progress} style={{ width: `${(100 * loaded) / count}%` }} aria-hidden />
        )}
      </button>
    </li>
  );
}

/** A series whose metadata has not come yet, or could not be read. */
function SeriesItem({ entry }: { entry: SeriesEntry }) {
  const t = useTexts();
  const { summary, state } = entry;
  const hasImages = mayHoldImages(summary.modality);
  const count = summary.numberOfInstances ?? 0;
  const item = seriesItem(summary.seriesInstanceUid);
  const open = async (): Promise<void> => {
    const [first] = await ensureSeries(summary.seriesInstanceUid);
    if (first) openDisplaySet(useViewer.getState().active, first.id);
  };
  return (
    <li>
      <button
        type="button"
        className={classes.item}
        aria-description={t('strip.carry')}
        draggable
        onDragStart={(event) => startDragging(event, item)}
        onKeyDown={(event) => carryByKeys(event, item)}
        onBlur={leaveCarried}
        onClick={() => void open()}
      >
        <Thumbnail
          url={hasImages ? seriesThumbnailUrl(summary.studyInstanceUid, summary.seriesInstanceUid) : null}
          isObject={!hasImages}
        />
        <Caption
          number={summary.seriesNumber}
          modality={summary.modality}
          description={summary.description}
          count={
            state.kind === 'failed'
              ? t('strip.failed')
              : t(hasImages ? 'strip.images' : 'strip.objects', { count })
          }
        />
        {state.kind === 'loading' && (
          <Loader
            size={12}
            color="gray"
            className={classes.loader}
            role="img"
            aria-label={t('strip.loading')}
          />
        )}
      </button>
    </li>
  );
}

interface CaptionProps {
  number: number | null;
  modality: string;
  description: string;
  count: string;
  /** How many images were displayed. */
  displayed?: number | null;
  isAll?: boolean;
}

function Caption(props: CaptionProps) {
  const t = useTexts();
  return (
    <span className={classes.caption}>
      <span className={classes.heading}>
        {props.number !== null && (
          <span className={classes.number} title={t('strip.series', { number: props.number })}>
            {props.number}
          </span>
        )}
        <ModalityBadge modality={props.modality} />
      </span>
      <bdi
        className={classes.description}
        data-none={!props.description || undefined}
        title={props.description}
      >
        {props.description || t('strip.noDescription')}
      </bdi>
      <span className={classes.count}>
        {props.count}
        {(props.displayed ?? null) !== null && (
          <>
            {' · '}
            <span
              className={classes.displayed}
              data-displayed={props.displayed}
              data-all={props.isAll || undefined}
            >
              {props.isAll && <Check size={12} strokeWidth={2.4} aria-hidden />}
              {props.isAll ? t('displayed.allHere') : t('displayed.here', { count: props.displayed ?? 0 })}
            </span>
          </>
        )}
      </span>
    </span>
  );
}

function Thumbnail({ url, isObject }: { url: string | null; isObject: boolean }) {
  const [failedUrl, setFailedUrl] = useState<string | null>(null);
  const isShown = url !== null && url !== failedUrl;
  return (
    <span className={classes.thumbnail}>
      {isShown ? (
        <img
          src={url}
          alt=""
          loading="lazy"
          decoding="async"
          draggable={false}
          onError={() => setFailedUrl(url)}
        />
      ) : isObject ? (
        <FileText size={24} strokeWidth={1.4} aria-hidden />
      ) : (
        <ImageOff size={22} strokeWidth={1.4} aria-hidden />
      )}
    </span>
  );
}
