import { Alert, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { TriangleAlert } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { systemQuery } from '@/api/operation';

/** What needs a person, and what they can do about it. Nothing when all is well. */
export function HealthBanner() {
  const { t } = useTranslation();
  const system = useQuery(systemQuery);
  const problems = system.data?.problems ?? [];
  if (problems.length === 0) return null;
  return (
    <Alert
      mb="md"
      color="yellow"
      variant="light"
      role="status"
      icon={<TriangleAlert size={18} />}
      title={t('health.title', { count: problems.length })}
    >
      {problems.map((problem) => (
        <Text key={problem.what} size="sm" mt={4}>
          <strong>{problem.what}</strong> {problem.whatToDo}
        </Text>
      ))}
    </Alert>
  );
}
