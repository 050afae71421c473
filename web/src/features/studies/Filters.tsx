import {
  ActionIcon,
  Button,
  Chip,
  Drawer,
  Group,
  Popover,
  Select,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { ChevronDown, Search, SlidersHorizontal, X } from 'lucide-react';
import { type Ref, type RefObject, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { DateFilter, useDateText } from './DateFilter';
import classes from './Filters.module.css';
import { countFilters, DEFAULT_SORT, SORT_FIELDS, type Sort, type StudiesSearch } from './search';
import type { OnSearch } from './StudiesPage';
import { useUrlText } from './useUrlText';

interface Props {
  search: StudiesSearch;
  onSearch: OnSearch;
}

export function Filters(props: Props & { searchBox: RefObject<HTMLInputElement | null>; isNarrow: boolean }) {
  return (
    <search className={classes.filters}>
      <SearchBox {...props} />
      {props.isNarrow ? (
        <FilterDrawer {...props} />
      ) : (
        <>
          <DatePopover {...props} />
          <ModalityPopover {...props} />
          <FieldsPopover {...props} />
        </>
      )}
    </search>
  );
}

function SearchBox({
  search,
  onSearch,
  searchBox,
}: Props & { searchBox: RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation();
  const [text, setText] = useUrlText(search.q ?? '', (q) =>
    onSearch({ ...search, q: q || undefined }, { isTyping: true }),
  );
  return (
    <TextInput
      ref={searchBox}
      className={classes.box}
      type="search"
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        if (text) setText('');
        else event.currentTarget.blur();
        event.preventDefault();
      }}
      placeholder={t('studies.searchPlaceholder')}
      aria-label={t('studies.search')}
      leftSection={<Search size={15} strokeWidth={2} />}
      rightSection={
        text && (
          <ActionIcon size="sm" aria-label={t('action.clear')} onClick={() => setText('')}>
            <X size={14} />
          </ActionIcon>
        )
      }
      spellCheck={false}
      autoComplete="off"
    />
  );
}

/** The popover hangs on this button, so it takes what the popover's target gives: a ref and aria attributes. */
function FilterButton({
  label,
  isActive,
  ...target
}: {
  label: string;
  isActive: boolean;
  onClick: () => void;
  ref?: Ref<HTMLButtonElement>;
}) {
  return (
    <Button
      {...target}
      variant={isActive ? 'light' : 'default'}
      className={classes.button}
      rightSection={<ChevronDown size={14} aria-hidden />}
    >
      {label}
    </Button>
  );
}

function DatePopover({ search, onSearch }: Props) {
  const [isOpen, { toggle, close }] = useDisclosure();
  const dateText = useDateText();
  const { t } = useTranslation();
  return (
    <Popover opened={isOpen} onChange={close} position="bottom-start" shadow="lg" trapFocus returnFocus>
      <Popover.Target>
        <FilterButton label={dateText(search.date)} isActive={search.date !== undefined} onClick={toggle} />
      </Popover.Target>
      <Popover.Dropdown p="sm" aria-label={t('studies.date.title')}>
        <DateFilter
          value={search.date}
          onChange={(date, isFinal) => {
            onSearch({ ...search, date }, { isTyping: false });
            if (isFinal) close();
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

/** What is made often, by PS3.3 C.7.3.1.1.1; others still come by the address bar. */
const MODALITIES = [
  'CT',
  'MR',
  'US',
  'CR',
  'DX',
  'MG',
  'PT',
  'NM',
  'XA',
  'RF',
  'OT',
  'SR',
  'RTSTRUCT',
  'SEG',
  'ECG',
  'SM',
];

function Modalities({ search, onSearch }: Props) {
  const { t } = useTranslation();
  const chosen = search.modality ?? [];
  const shown = [...MODALITIES, ...chosen.filter((one) => !MODALITIES.includes(one))];
  return (
    <Chip.Group
      multiple
      value={chosen}
      onChange={(modality) =>
        onSearch(
          { ...search, modality: modality.length > 0 ? [...modality].sort() : undefined },
          { isTyping: false },
        )
      }
    >
      <Group gap={6} maw={330} role="group" aria-label={t('studies.columns.modalities')}>
        {shown.map((modality) => (
          <Chip key={modality} value={modality} size="xs" radius="sm">
            {modality}
          </Chip>
        ))}
      </Group>
    </Chip.Group>
  );
}

function ModalityPopover({ search, onSearch }: Props) {
  const { t } = useTranslation();
  const [isOpen, { toggle, close }] = useDisclosure();
  return (
    <Popover opened={isOpen} onChange={close} position="bottom-start" shadow="lg" trapFocus returnFocus>
      <Popover.Target>
        <FilterButton
          label={search.modality?.join(', ') ?? t('studies.anyModality')}
          isActive={search.modality !== undefined}
          onClick={toggle}
        />
      </Popover.Target>
      <Popover.Dropdown p="sm" aria-label={t('studies.columns.modalities')}>
        <Modalities search={search} onSearch={onSearch} />
      </Popover.Dropdown>
    </Popover>
  );
}

export const FIELDS = ['name', 'id', 'accession', 'description'] as const;
type Field = (typeof FIELDS)[number];

function FieldInput({ field, search, onSearch }: Props & { field: Field }) {
  const { t } = useTranslation();
  const [text, setText] = useUrlText(search[field] ?? '', (value) =>
    onSearch({ ...search, [field]: value || undefined }, { isTyping: true }),
  );
  return (
    <TextInput
      label={t(`studies.fields.${field}`)}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      spellCheck={false}
      autoComplete="off"
    />
  );
}

function Fields(props: Props) {
  const { t } = useTranslation();
  return (
    <Stack gap="sm">
      {FIELDS.map((field) => (
        <FieldInput key={field} field={field} {...props} />
      ))}
      <Text size="xs" c="dimmed">
        {t('studies.fields.hint')}
      </Text>
    </Stack>
  );
}

function FieldsPopover({ search, onSearch }: Props) {
  const { t } = useTranslation();
  const [isOpen, { toggle, close }] = useDisclosure();
  const count = FIELDS.filter((field) => search[field] !== undefined).length;
  return (
    <Popover
      opened={isOpen}
      onChange={close}
      position="bottom-start"
      shadow="lg"
      width={300}
      trapFocus
      returnFocus
    >
      <Popover.Target>
        <FilterButton
          label={count > 0 ? t('studies.moreCount', { count }) : t('studies.more')}
          isActive={count > 0}
          onClick={toggle}
        />
      </Popover.Target>
      <Popover.Dropdown p="md" aria-label={t('studies.more')}>
        <Fields search={search} onSearch={onSearch} />
      </Popover.Dropdown>
    </Popover>
  );
}

/** On a phone everything but the search box comes up from below. */
function FilterDrawer({ search, onSearch }: Props) {
  const { t } = useTranslation();
  const [isOpen, { open, close }] = useDisclosure();
  const count = countFilters({ ...search, q: undefined });
  return (
    <>
      <Button
        variant={count > 0 ? 'light' : 'default'}
        px={10}
        onClick={open}
        aria-label={count > 0 ? t('studies.filtersCount', { count }) : t('studies.filters')}
      >
        <SlidersHorizontal size={16} aria-hidden />
        {count > 0 && <span className={classes.count}>{count}</span>}
      </Button>
      <Drawer
        opened={isOpen}
        onClose={close}
        position="bottom"
        size="85%"
        radius="md"
        title={t('studies.filters')}
        closeButtonProps={{ 'aria-label': t('action.close') }}
      >
        <Stack gap="lg" pb="xl">
          <SortSelect search={search} onSearch={onSearch} />
          <div>
            <Text size="sm" fw={500} mb={6}>
              {t('studies.date.title')}
            </Text>
            <DateFilter
              value={search.date}
              onChange={(date) => onSearch({ ...search, date }, { isTyping: false })}
              isStacked
            />
          </div>
          <div>
            <Text size="sm" fw={500} mb={6}>
              {t('studies.columns.modalities')}
            </Text>
            <Modalities search={search} onSearch={onSearch} />
          </div>
          <Fields search={search} onSearch={onSearch} />
          <Group grow>
            <Button variant="default" onClick={() => onSearch({}, { isTyping: false })}>
              {t('studies.clear')}
            </Button>
            <Button onClick={close}>{t('studies.show')}</Button>
          </Group>
        </Stack>
      </Drawer>
    </>
  );
}

function SortSelect({ search, onSearch }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const options = SORT_FIELDS.flatMap((field): { value: Sort; label: string }[] => [
    { value: field, label: `${t(`studies.columns.${field}`)} ↑` },
    { value: `-${field}`, label: `${t(`studies.columns.${field}`)} ↓` },
  ]);
  return (
    <Select
      id={id}
      label={t('studies.sort')}
      allowDeselect={false}
      data={options}
      value={search.sort ?? DEFAULT_SORT}
      onChange={(value) => {
        const sort = options.find((option) => option.value === value)?.value;
        onSearch({ ...search, sort: sort === DEFAULT_SORT ? undefined : sort }, { isTyping: false });
      }}
    />
  );
}
