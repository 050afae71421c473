import { Button, Group, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTexts } from '../i18n';
import { useAnnotations } from '../state/annotations';

const TEXT_MAX = 256;

/** Asks for the text of an arrow or the length of a calibration. */
export function TextPrompt() {
  const question = useAnnotations((state) => state.question);
  return question && <Question kind={question.kind} onAnswer={question.answer} />;
}

function Question({ kind, onAnswer }: { kind: 'text' | 'length'; onAnswer: (text: string | null) => void }) {
  const t = useTexts();
  const [text, setText] = useState('');
  const isRight = kind === 'text' ? text.trim() !== '' : Number(text.replace(',', '.')) > 0;
  return (
    <Modal opened onClose={() => onAnswer(null)} title={t(`marks.ask.${kind}`)} centered size="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isRight) onAnswer(text.trim());
        }}
      >
        <TextInput
          data-autofocus
          aria-label={t(`marks.ask.${kind}`)}
          value={text}
          maxLength={TEXT_MAX}
          inputMode={kind === 'length' ? 'decimal' : 'text'}
          rightSection={kind === 'length' ? 'mm' : undefined}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => onAnswer(null)}>
            {t('marks.ask.cancel')}
          </Button>
          <Button type="submit" disabled={!isRight}>
            {t('marks.ask.done')}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
