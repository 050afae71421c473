import { Button } from '@mantine/core';
import { FileText } from 'lucide-react';
import type { ObjectDisplaySet } from '../data/displaySets';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import classes from './ObjectCard.module.css';

/** What an object is that has no images to show. */
export function ObjectCard({ displaySet }: { displaySet: ObjectDisplaySet }) {
  const t = useTexts();
  const title = displaySet.title || displaySet.description;
  return (
    <div className={classes.card}>
      <FileText size={30} strokeWidth={1.4} aria-hidden className={classes.icon} />
      <p className={classes.kind}>{t(`object.${displaySet.object}`)}</p>
      {title && <p className={classes.title}>{title}</p>}
      <p className={classes.text}>{t('object.notAnImage')}</p>
      <Button variant="default" size="xs" onClick={() => useViewer.setState({ hasTags: true })}>
        {t('object.showTags')}
      </Button>
    </div>
  );
}
