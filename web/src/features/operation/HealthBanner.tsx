import { Alert, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { TriangleAlert } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { healthQuery } from '@/api/operation';
import { TextLink } from '@/ui/links';
import { useFindingText } from './findings';

/** What needs a person now, on every page of the administration but that of health. Nothing when all is well. */
export function HealthBanner() {
  const { t } = useTranslation();
  const textOf = useFindingText();
  const health = useQuery(healthQuery);
  const problems = (health.data?.findings ?? []).filter((finding) => finding.level === 'problem');
  if (problems.length === 0) return null;
  const titles = [...new Set(problems.map((finding) => textOf(finding).title))];
  return (
    <Alert
      mb="md"
      color="yellow"
      variant="light"
      role="status"
      icon={<TriangleAlert size={18} />}
      title={t('health.problems', { count: problems.length })}
    >
      <Text size="sm">
        {titles.join(' ')}{' '}
        <TextLink to="/admin/$section" params={{ section: 'health' }} size="sm">
          {t('health.see')}
        </TextLink>
      </Text>
    </Alert>
  );
}
