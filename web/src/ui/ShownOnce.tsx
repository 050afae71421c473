import { Alert, Button, Code, CopyButton, Group, Text } from '@mantine/core';
import { Check, Copy } from 'lucide-react';
import { useTranslation } from 'react-i18next';

/** A secret that can be read and copied now, and never again. */
export function ShownOnce(props: { title: string; text: string; secret: string; onKept: () => void }) {
  const { t } = useTranslation();
  return (
    <Alert variant="light" title={props.title}>
      <Text size="sm" mb="xs">
        {props.text}
      </Text>
      <Code block fz="sm" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
        {props.secret}
      </Code>
      <Group gap="xs" mt="sm">
        <CopyButton value={props.secret}>
          {({ copied, copy }) => (
            <Button
              size="compact-sm"
              leftSection={copied ? <Check size={14} /> : <Copy size={14} />}
              onClick={copy}
            >
              {copied ? t('action.copied') : t('action.copy')}
            </Button>
          )}
        </CopyButton>
        <Button size="compact-sm" variant="default" onClick={props.onKept}>
          {t('action.kept')}
        </Button>
      </Group>
    </Alert>
  );
}
