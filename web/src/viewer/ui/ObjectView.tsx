import { Button, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { ExternalLink } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { renderedType } from '../data/dicomweb';
import type { ObjectDisplaySet } from '../data/displaySets';
import { asFailure } from '../data/errors';
import { type Rendered, renderedOf } from '../data/rendered';
import { useTexts } from '../i18n';
import type { PaneId } from '../state/layout';
import { AttributesButton } from './AttributesButton';
import { FailureText } from './FailureText';
import { ObjectCard } from './ObjectCard';
import classes from './ObjectView.module.css';

/** What draws waveforms comes with the first. */
const WaveformView = lazy(() => import('../waveform/WaveformView'));

/** An object without a stack of images, in place: a report or document in a frame, a video as a video, an ECG on paper. */
export function ObjectView({ id, displaySet }: { id: PaneId; displaySet: ObjectDisplaySet }) {
  if (displaySet.object === 'waveform')
    return (
      <Suspense>
        <WaveformView id={id} displaySet={displaySet} />
      </Suspense>
    );
  const rendered = renderedOf(displaySet);
  if (!rendered) return <ObjectCard displaySet={displaySet} />;
  if (rendered.kind === 'file') return <ObjectCard displaySet={displaySet} fileUrl={rendered.url} />;
  return <InPlace key={rendered.url} displaySet={displaySet} rendered={rendered} />;
}

function InPlace({ displaySet, rendered }: { displaySet: ObjectDisplaySet; rendered: Rendered }) {
  const t = useTexts();
  // Asked first, because a frame cannot say in words why it stays empty.
  const { data, error, refetch } = useQuery({
    queryKey: ['rendered', rendered.url],
    retry: false,
    queryFn: ({ signal }) => renderedType(rendered.url, signal),
  });
  const kind = t(`object.${displaySet.object}`);
  const title = displaySet.title || displaySet.description;
  return (
    <div className={classes.view}>
      <div className={classes.bar}>
        <span className={classes.kind}>{kind}</span>
        <span className={classes.title}>{title}</span>
        <AttributesButton />
        <Button
          component="a"
          href={rendered.url}
          target="_blank"
          rel="noopener noreferrer"
          variant="subtle"
          color="gray"
          size="compact-xs"
          leftSection={<ExternalLink size={13} aria-hidden />}
        >
          {t('object.newTab')}
        </Button>
      </div>
      <div className={classes.content}>
        {error && <FailureText failure={asFailure(error)} onRetry={() => void refetch()} />}
        {!error && data === undefined && (
          <div className={classes.loading} role="status" aria-label={t('object.loading')}>
            <Loader size="sm" color="gray" />
          </div>
        )}
        {data !== undefined && (
          <Content
            rendered={rendered}
            mediaType={data}
            title={[kind, title].filter(Boolean).join(': ')}
            displaySet={displaySet}
          />
        )}
      </div>
    </div>
  );
}

interface ContentProps {
  rendered: Rendered;
  mediaType: string;
  title: string;
  displaySet: ObjectDisplaySet;
}

function Content({ rendered, mediaType, title, displaySet }: ContentProps) {
  const t = useTexts();
  const [hasFailed, setHasFailed] = useState(false);
  if (rendered.kind === 'video') {
    const isPlayable = document.createElement('video').canPlayType(mediaType) !== '';
    if (!isPlayable || hasFailed) {
      return (
        <ObjectCard
          displaySet={displaySet}
          fileUrl={rendered.url}
          text={t('object.notPlayable', { type: mediaType })}
        />
      );
    }
    return (
      <video
        className={classes.video}
        src={rendered.url}
        aria-label={title}
        controls
        loop
        playsInline
        preload="metadata"
        onError={() => setHasFailed(true)}
      />
    );
  }
  if (rendered.kind === 'picture') return <img className={classes.picture} src={rendered.url} alt={title} />;
  // Browsers show no PDF in a sandbox. It comes from our own address, as application/pdf and nothing else.
  if (rendered.kind === 'pdf') return <iframe className={classes.paper} src={rendered.url} title={title} />;
  // Nothing runs in it; its links open beside it, signed in as here, which a frame of another origin would not be.
  return (
    <iframe
      className={classes.page}
      src={rendered.url}
      title={title}
      sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    />
  );
}
