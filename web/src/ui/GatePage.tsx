import { Paper, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './GatePage.module.css';
import { Logo } from './Logo';

/** The pages before one is signed in. */
export function GatePage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className={classes.page}>
      <div className={classes.column}>
        <div className={classes.brand}>
          <Logo size={36} />
          <span className={classes.word}>Filmless</span>
        </div>
        <Paper className={classes.panel} p="xl">
          <Title order={1} fz="lg" mb="lg">
            {title}
          </Title>
          {children}
        </Paper>
      </div>
    </main>
  );
}
