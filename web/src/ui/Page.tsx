import { Group, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './Page.module.css';

/** A page that scrolls, with room at its sides. */
export function Page({ children }: { children: ReactNode }) {
  return (
    <main className={classes.page} id="content" tabIndex={-1}>
      <div className={classes.inner}>{children}</div>
    </main>
  );
}

/** A heading within a page, what it is about, and what can be done. */
export function SectionHeader(props: {
  title: string;
  text?: ReactNode;
  actions?: ReactNode;
  order?: 1 | 2;
}) {
  return (
    <Group justify="space-between" align="flex-start" className={classes.header} gap="sm">
      <div className={classes.heading}>
        <Title order={props.order ?? 2}>{props.title}</Title>
        {props.text && (
          <Text size="sm" c="dimmed" mt={2}>
            {props.text}
          </Text>
        )}
      </div>
      {props.actions && <Group gap="xs">{props.actions}</Group>}
    </Group>
  );
}
