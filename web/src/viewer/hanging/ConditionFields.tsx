import {
  Button,
  Checkbox,
  Group,
  MultiSelect,
  NativeSelect,
  NumberInput,
  SimpleGrid,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import { useTexts } from '../i18n';
import { filledOf } from './editing';
import classes from './Hanging.module.css';
import { type Code, type Conditions, PRIORS_MAX, REGIONS, type Rule, type Side } from './protocol';
import { regionInWords, sideInWords } from './words';

/** Of images that can be hung. */
const MODALITIES = ['CR', 'CT', 'DX', 'IO', 'MG', 'MR', 'NM', 'OT', 'PT', 'PX', 'RF', 'RG', 'US', 'XA', 'XC'];

const SIDES: Side[] = ['', 'L', 'R', 'B'];

const keyOf = ({ scheme, value }: Code): string => `${scheme} ${value}`;

/** When a protocol is for a study. `procedures` are codes that are offered: those of the study on the screen. */
export function ConditionFields(props: {
  rule: Rule;
  procedures: readonly Code[];
  onChange: (part: Partial<Rule>) => void;
}) {
  const { rule, onChange } = props;
  const t = useTexts();
  const { when } = rule;
  const narrow = (part: Partial<Conditions>): void => onChange({ when: { ...when, ...part } });
  const isChosen = (code: Code): boolean => when.procedures.some((each) => keyOf(each) === keyOf(code));
  const offered = [...when.procedures, ...props.procedures.filter((code) => !isChosen(code))];
  return (
    <fieldset className={classes.fields}>
      <legend>{t('hanging.when')}</legend>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TagsInput
          label={t('hanging.modalities')}
          data={MODALITIES}
          maxTags={32}
          value={[...when.modalities]}
          onChange={(values) =>
            narrow({ modalities: [...new Set(values.map((each) => each.toUpperCase()))] })
          }
        />
        <MultiSelect
          label={t('hanging.regions')}
          data={REGIONS.map((region) => ({ value: region, label: regionInWords(t, region) }))}
          value={[...when.regions]}
          onChange={(regions) => narrow({ regions })}
        />
        <NativeSelect
          label={t('hanging.sideLabel')}
          value={when.laterality}
          data={SIDES.map((side) => ({
            value: side,
            label: side === '' ? t('hanging.anySide') : sideInWords(t, side),
          }))}
          onChange={(event) => narrow({ laterality: event.currentTarget.value as Side })}
        />
        <NativeSelect
          label={t('hanging.priorsLabel')}
          value={String(when.priors)}
          data={Array.from({ length: PRIORS_MAX + 1 }, (_, count) => ({
            value: String(count),
            label: count === 0 ? t('hanging.noPriors') : t('hanging.priors', { count }),
          }))}
          onChange={(event) => narrow({ priors: Number(event.currentTarget.value) })}
        />
        <NumberInput
          label={t('hanging.atLeast')}
          min={1}
          max={Math.max(1, filledOf(rule))}
          value={rule.atLeast}
          onChange={(value) => {
            if (typeof value === 'number' && value >= 1) onChange({ atLeast: value });
          }}
        />
      </SimpleGrid>
      <Group gap="md" mt="sm">
        {offered.map((code) => (
          <Checkbox
            key={keyOf(code)}
            label={t('hanging.procedure', { name: code.meaning || code.value })}
            checked={isChosen(code)}
            onChange={(event) =>
              narrow({
                procedures: event.currentTarget.checked
                  ? [...when.procedures, code]
                  : when.procedures.filter((each) => keyOf(each) !== keyOf(code)),
              })
            }
          />
        ))}
      </Group>
      <NewProcedure
        onAdd={(code) => {
          if (!isChosen(code)) narrow({ procedures: [...when.procedures, code] });
        }}
      />
      {when.modalities.length === 0 && when.regions.length === 0 && (
        <Text size="sm" c="yellow" role="status">
          {t('hanging.tooWide')}
        </Text>
      )}
    </fieldset>
  );
}

const NONE: Code = { value: '', scheme: '', meaning: '' };

/** A procedure code that the study on the screen does not have. */
function NewProcedure({ onAdd }: { onAdd: (code: Code) => void }) {
  const t = useTexts();
  const [code, setCode] = useState(NONE);
  const field = (name: keyof Code, maxLength: number) => (
    <TextInput
      label={t(`hanging.code.${name}`)}
      maxLength={maxLength}
      value={code[name]}
      onChange={(event) => setCode({ ...code, [name]: event.currentTarget.value })}
    />
  );
  const isWhole = code.value.trim() !== '' && code.scheme.trim() !== '';
  return (
    <details className={classes.more}>
      <summary>{t('hanging.otherProcedure')}</summary>
      <SimpleGrid cols={{ base: 1, xs: 4 }} spacing="sm" className={classes.line}>
        {field('value', 16)}
        {field('scheme', 16)}
        {field('meaning', 64)}
        <Button
          variant="default"
          disabled={!isWhole}
          onClick={() => {
            onAdd({ value: code.value.trim(), scheme: code.scheme.trim(), meaning: code.meaning.trim() });
            setCode(NONE);
          }}
        >
          {t('hanging.addProcedure')}
        </Button>
      </SimpleGrid>
    </details>
  );
}
