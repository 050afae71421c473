import { ActionIcon, Button } from '@mantine/core';
import { Eye, EyeOff } from 'lucide-react';
import { formatDicomDate } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { jumpTo } from '../tools/annotations/actions';
import { type MeasurementDocument, toggleDocument, useKeeping } from '../tools/annotations/keeping';
import { placedAmong } from '../tools/annotations/inSpace';
import { loadMarks } from '../tools/annotations/loading';
import { SOURCE_TAGS, formatValue } from '../tools/annotations/words';
import { fromReport } from '../tools/annotations/wire';
import classes from './MeasurementPanel.module.css';

/** Reports of the study with marks: whose they are, of when, and what they measured. */
export function MeasurementDocuments() {
  const t = useTexts();
  const documents = useKeeping((state) => state.documents);
  if (documents.length === 0) return null;
  return (
    <section className={classes.documents} aria-label={t('marks.documents')}>
      <h3>{t('marks.documents')}</h3>
      {documents.map((each) => (
        <Document key={each.sopInstanceUid} document={each} />
      ))}
    </section>
  );
}

function Document({ document }: { document: MeasurementDocument }) {
  const t = useTexts();
  const locale = useLocale();
  const { sopInstanceUid, title, author, contentDate, isSuperseded, leftOut } = document;
  const isCurrent = useKeeping((state) => state.documentUid === sopInstanceUid);
  const isHidden = useKeeping((state) => state.hidden.includes(sopInstanceUid));
  const name = [author, formatDicomDate(contentDate, locale)].filter(Boolean).join(' · ');
  const isShown = !isCurrent && !isSuperseded;
  const Icon = isHidden ? EyeOff : Eye;
  const displaySets = useViewer((state) => state.displaySets);
  const shapes = document.shapes.map((shape) => placedAmong(shape, displaySets));
  // An ellipsoid is on many slices: the one in its middle stands for it.
  const inSpace = shapes.flatMap((placed) => placed[Math.floor(placed.length / 2)]?.annotation ?? []);
  const marks = [...document.marks.map(fromReport), ...inSpace];
  const unseen = leftOut + shapes.filter((placed) => placed.length === 0).length;
  return (
    <div className={classes.document} data-document={sopInstanceUid}>
      <div className={classes.head}>
        <bdi>{name || title}</bdi>
        {isShown && (
          <>
            <ActionIcon
              size={24}
              aria-pressed={!isHidden}
              aria-label={t('marks.showReport', { name })}
              onClick={() => toggleDocument(sopInstanceUid)}
            >
              <Icon size={16} />
            </ActionIcon>
            <Button
              size="compact-xs"
              variant="default"
              onClick={() => {
                void loadMarks().then(({ adopt }) => adopt(document));
                if (!isHidden) toggleDocument(sopInstanceUid);
              }}
            >
              {t('marks.editCopy')}
            </Button>
          </>
        )}
      </div>
      <p className={classes.kept}>
        {[
          title,
          isCurrent && t('marks.isYours'),
          isSuperseded && t('marks.isHistory'),
          unseen > 0 && t('marks.leftOut', { count: unseen }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
      {isShown && (
        <ul>
          {marks.map((mark) => (
            <li key={mark.uid}>
              <button type="button" className={classes.jump} onClick={() => jumpTo(mark)}>
                {[
                  mark.label || t(`marks.kinds.${mark.kind}`),
                  ...mark.values.map((value) =>
                    [value.meaning ?? '', formatValue(value)].filter(Boolean).join(' '),
                  ),
                  mark.spacing ? SOURCE_TAGS[mark.spacing.source] || t('marks.sources.manual') : '',
                ]
                  .filter(Boolean)
                  .join(', ')}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
