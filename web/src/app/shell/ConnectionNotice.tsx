import { Tooltip } from '@mantine/core';
import { CloudOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLive } from '@/api/live';
import classes from './ConnectionNotice.module.css';

/** A line that is back within this time was not worth a word. */
const PATIENCE_MS = 3_000;

/** Said only when there is something to say: that the screen no longer hears from the server. */
export function ConnectionNotice() {
  const { t } = useTranslation();
  const isLost = useLive((live) => live.connection === 'lost');
  return (
    <div role="status" className={classes.place}>
      {isLost && <Late key="lost" text={t('connection.lost')} explanation={t('connection.lostText')} />}
    </div>
  );
}

function Late({ text, explanation }: { text: string; explanation: string }) {
  const [isDue, setIsDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsDue(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!isDue) return null;
  return (
    <Tooltip label={explanation}>
      <span className={classes.notice}>
        <CloudOff size={14} strokeWidth={2} aria-hidden />
        <span className={classes.text}>{text}</span>
      </span>
    </Tooltip>
  );
}
