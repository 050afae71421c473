import { type Texts, useTexts } from '../i18n';
import type { Reason } from './matching';
import { useHanging } from './state';
import { reasonInWords } from './words';
import classes from './Hanging.module.css';

export const reasonsInWords = (t: Texts, reasons: readonly Reason[]): string =>
  reasons.map((reason) => reasonInWords(t, reason)).join(' · ');

/** The protocol in use, and why it is. */
export function HungBy() {
  const t = useTexts();
  const match = useHanging(({ matches, current }) => (current === null ? null : (matches[current] ?? null)));
  if (!match) return null;
  return (
    <span className={classes.hungBy} data-role="hung-by" data-protocol={match.protocol.id}>
      <strong>{match.protocol.name}</strong> {reasonsInWords(t, match.reasons)}
    </span>
  );
}
