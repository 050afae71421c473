import { useTexts } from '../i18n';
import { keepNow, useKeeping } from '../tools/annotations/keeping';
import classes from './SpaceMenu.module.css';

/** Says above the images what went wrong with keeping the marks; nothing while nothing did. */
export function KeepingBar() {
  const t = useTexts();
  const { state, failure, isUnread, overwritten } = useKeeping();
  if (state === 'failed')
    return (
      <div className={classes.notice} role="alert">
        <span>{t(isUnread ? 'marks.notRead' : 'marks.notKept', { reason: failure ?? '' })}</span>
        <button type="button" onClick={keepNow}>
          {t('marks.tryNow')}
        </button>
      </div>
    );
  if (overwritten === 0) return null;
  return (
    <div className={classes.notice} role="alert">
      <span>{t('marks.overwritten', { count: overwritten })}</span>
      <button type="button" onClick={() => useKeeping.setState({ overwritten: 0 })}>
        {t('space.putAway')}
      </button>
    </div>
  );
}
