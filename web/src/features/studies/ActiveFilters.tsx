import { Button, Group, Pill } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useDateText } from './DateFilter';
import { FIELDS } from './Filters';
import { countFilters, type StudiesSearch } from './search';
import type { OnSearch } from './StudiesPage';
import classes from './ActiveFilters.module.css';

/** What narrows the list and is not to be seen elsewhere, each to be taken off with one click. */
export function ActiveFilters(props: { search: StudiesSearch; onSearch: OnSearch; isNarrow: boolean }) {
  const { t } = useTranslation();
  const dateText = useDateText();
  const { search, onSearch } = props;
  const remove = (change: Partial<StudiesSearch>) => onSearch({ ...search, ...change }, { isTyping: false });
  const pills = [
    ...FIELDS.filter((field) => search[field] !== undefined).map((field) => ({
      key: field,
      label: `${t(`studies.fields.${field}`)}: ${search[field] ?? ''}`,
      onRemove: () => remove({ [field]: undefined }),
    })),
    ...(props.isNarrow && search.date !== undefined
      ? [{ key: 'date', label: dateText(search.date), onRemove: () => remove({ date: undefined }) }]
      : []),
    ...(props.isNarrow && search.modality
      ? [
          {
            key: 'modality',
            label: search.modality.join(', '),
            onRemove: () => remove({ modality: undefined }),
          },
        ]
      : []),
  ];
  const canClear = countFilters({ ...search, q: undefined }) > 0;
  if (pills.length === 0 && !canClear) return null;
  return (
    <Group gap={6} className={classes.row}>
      {pills.map((pill) => (
        <Pill
          key={pill.key}
          withRemoveButton
          onRemove={pill.onRemove}
          removeButtonProps={{
            'aria-label': t('studies.removeFilter', { filter: pill.label }),
            tabIndex: 0,
            'aria-hidden': false,
          }}
        >
          {pill.label}
        </Pill>
      ))}
      {canClear && (
        <Button
          size="compact-xs"
          variant="subtle"
          color="gray"
          onClick={() => onSearch({ sort: search.sort }, { isTyping: false })}
        >
          {t('studies.clear')}
        </Button>
      )}
    </Group>
  );
}
