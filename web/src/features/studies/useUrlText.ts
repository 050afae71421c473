import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';

const SETTLED_MS = 200;

/**
 * A text field whose value lives in the address bar: typing shows at once and is written there when the hand rests;
 * what changes there otherwise (back, a bookmark) shows in the field.
 */
export function useUrlText(value: string, write: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const [written, setWritten] = useState(value);
  const writeSoon = useDebouncedCallback((next: string) => {
    setWritten(next);
    write(next);
  }, SETTLED_MS);
  if (value !== written) {
    setWritten(value);
    setText(value);
  }
  return [
    text,
    (next) => {
      setText(next);
      writeSoon(next);
    },
  ];
}
