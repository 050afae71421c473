import type { ReactNode } from 'react';
import classes from './Tag.module.css';

/** A quiet word in a frame: a service, a state that is no alarm. */
export function Tag({ children }: { children: ReactNode }) {
  return <span className={classes.tag}>{children}</span>;
}
