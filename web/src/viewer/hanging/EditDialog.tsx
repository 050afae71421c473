import { Alert, Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type HangingProtocol, hangingHistoryQuery } from '@/api/hanging';
import { formatDicomDate, formatDicomTime } from '@/lib/dates';
import { useLocale } from '@/lib/useLocale';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { useIsNarrow } from '../ui/useIsNarrow';
import { ruleFrom } from './hang';
import classes from './Hanging.module.css';
import type { Rule } from './protocol';
import { RuleEditor, RuleInWords } from './RuleEditor';
import { useHanging } from './state';
import { conditionsInWords } from './words';

/** Back to the list, from which it was opened. */
const close = (): void => useHanging.setState({ dialog: 'list', edited: null });

/** A kept protocol, or a copy of one that is not kept yet, to be changed. */
export function EditDialog() {
  const t = useTexts();
  const isNarrow = useIsNarrow();
  const edited = useHanging((state) => state.edited);
  const isOpened = useHanging(({ dialog }) => dialog === 'edit');
  const subject = useHanging((state) => state.subject);
  const id = edited?.id ?? null;
  return (
    <Dialog
      opened={isOpened}
      onClose={close}
      title={t(id === null ? 'hanging.copyTitle' : 'hanging.editTitle', { name: edited?.title ?? '' })}
      size="xl"
      fullScreen={isNarrow}
    >
      {isOpened && edited && (
        <RuleEditor
          key={`${id} ${edited.title}`}
          initial={edited.rule}
          id={id}
          owner={edited.owner}
          procedures={subject?.procedures ?? []}
          isHungAtOnce={false}
          onKept={close}
          more={id === null ? undefined : (setRule) => <Former id={id} onChoose={setRule} />}
        />
      )}
    </Dialog>
  );
}

/** What a protocol was before it was changed; one of them can be taken up again. */
function Former({ id, onChoose }: { id: number; onChoose: (rule: Rule) => void }) {
  const t = useTexts();
  const locale = useLocale();
  const former = useQuery(hangingHistoryQuery(id));
  if (former.isError) return <Alert color="red">{former.error.message}</Alert>;
  const found = former.data?.filter((each): each is HangingProtocol & { rule: object } => each.rule !== null);
  if (!found || found.length === 0) return null;
  return (
    <details className={classes.more}>
      <summary>{t('hanging.former', { count: found.length })}</summary>
      <ul className={classes.protocols}>
        {found.map(({ sopInstanceUid, createdAt, rule, name }) => (
          <li key={sopInstanceUid} data-former={sopInstanceUid}>
            <div className={classes.entry}>
              <strong>{name}</strong> {formatDicomDate(createdAt.slice(0, 8), locale)}{' '}
              {formatDicomTime(createdAt.slice(8, 14))}
              <br />
              {conditionsInWords(t, ruleFrom(rule).when)}
              <RuleInWords rule={ruleFrom(rule)} />
            </div>
            <Button size="xs" variant="default" onClick={() => onChoose(ruleFrom(rule))}>
              {t('hanging.takeUp')}
            </Button>
          </li>
        ))}
      </ul>
    </details>
  );
}
