import { notifications } from '@mantine/notifications';
import { Upload } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { addFiles } from './uploads';
import classes from './DropZone.module.css';
import { filesOfInput, type FoundFile, walk } from './walk';

/** Files go into the queue in portions, so that the first is on its way while a large folder is still being read. */
const PORTION = 200;

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

async function take(data: DataTransfer, onUnreadable: (path: string) => void): Promise<void> {
  // The list of items is emptied once the event is over: everything is taken from it now.
  const entries = [...data.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry): entry is FileSystemEntry => entry !== null);
  if (entries.length === 0) {
    addFiles(filesOfInput(data.files));
    return;
  }
  let portion: FoundFile[] = [];
  for await (const found of walk(entries, onUnreadable)) {
    portion.push(found);
    if (portion.length >= PORTION) {
      addFiles(portion);
      portion = [];
    }
  }
  addFiles(portion);
}

export function DropZone() {
  const { t } = useTranslation();
  const [isOver, setIsOver] = useState(false);

  useEffect(() => {
    // Every element passed on the way enters and leaves; the drag is over when as many left as entered.
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      setIsOver(true);
    };
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setIsOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      depth = 0;
      setIsOver(false);
      void take(event.dataTransfer, (path) =>
        notifications.show({ color: 'red', message: t('upload.unreadable', { path }) }),
      );
    };
    window.addEventListener('dragenter', enter);
    window.addEventListener('dragover', over);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', enter);
      window.removeEventListener('dragover', over);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, [t]);

  if (!isOver) return null;
  return (
    <div className={classes.zone} data-testid="drop-zone">
      <div className={classes.message}>
        <Upload size={30} strokeWidth={1.5} aria-hidden />
        <strong>{t('upload.drop')}</strong>
        <span>{t('upload.dropText')}</span>
      </div>
    </div>
  );
}
