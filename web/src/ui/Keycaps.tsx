import { Kbd } from '@mantine/core';
import { Fragment } from 'react';
import { keycaps } from '@/lib/hotkeys';
import classes from './Keycaps.module.css';

/** A key binding drawn as keys. */
export function Keycaps({ binding }: { binding: string }) {
  return (
    <span className={classes.keys}>
      {keycaps(binding).map((press, index) => (
        <Fragment key={index}>
          {press.map((key) => (
            <Kbd key={key} size="xs" className={classes.key}>
              {key}
            </Kbd>
          ))}
        </Fragment>
      ))}
    </span>
  );
}
