import { Button } from '@mantine/core';
import { Download, FileText } from 'lucide-react';
import type { ObjectDisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import classes from './ObjectCard.module.css';

interface ObjectCardProps {
  displaySet: ObjectDisplaySet;
  /** The file within, for other programs. */
  fileUrl?: string;
  text?: string;
}

/** What an object is that cannot be shown here. */
export function ObjectCard({ displaySet, fileUrl, text }: ObjectCardProps) {
  const t = useTexts();
  const title = displaySet.title || displaySet.description;
  return (
    <div className={classes.card}>
      <FileText size={30} strokeWidth={1.4} aria-hidden className={classes.icon} />
      <p className={classes.kind}>{t(`object.${displaySet.object}`)}</p>
      {title && <p className={classes.title}>{title}</p>}
      <p className={classes.text}>{text ?? t('object.notAnImage')}</p>
      <div className={classes.buttons}>
        {fileUrl && (
          <Button
            component="a"
            href={fileUrl}
            download
            variant="default"
            size="xs"
            leftSection={<Download size={14} aria-hidden />}
          >
            {t('object.save')}
          </Button>
        )}
        <Button variant="default" size="xs" onClick={() => useViewer.setState({ hasTags: true })}>
          {t('object.showTags')}
        </Button>
      </div>
    </div>
  );
}
