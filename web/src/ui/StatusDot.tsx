import type { ReactNode } from 'react';
import classes from './StatusDot.module.css';

/** A state in words with a dot of its colour, which alone never carries the meaning. */
export function StatusDot({ colour, children }: { colour: string; children: ReactNode }) {
  return (
    <span className={classes.status}>
      <span className={classes.dot} data-colour={colour} aria-hidden />
      {children}
    </span>
  );
}
