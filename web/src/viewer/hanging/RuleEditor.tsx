import {
  Alert,
  Button,
  Checkbox,
  Group,
  NumberInput,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import {
  changeHangingProtocol,
  findStudiesAlike,
  type HangingOwner,
  hangingProtocolsQuery,
  type HangingRule,
  keepHangingProtocol,
} from '@/api/hanging';
import { useHasRight } from '@/api/session';
import { useTexts } from '../i18n';
import { COLUMNS_MAX, isPossible, ROWS_MAX, type Shape, shapeOf } from '../state/layout';
import { SaveButton } from '../ui/SaveButton';
import { ConditionFields } from './ConditionFields';
import { problemOf, relaid, withViewport } from './editing';
import { findMatchesAnew, protocolId } from './hang';
import classes from './Hanging.module.css';
import { type Code, NAME_MAX, type Rule, SIZES } from './protocol';
import { useHanging } from './state';
import { Trials } from './Trials';
import { ViewportFields } from './ViewportFields';
import { togetherInWords, viewportInWords } from './words';

export interface RuleEditorProps {
  initial: Rule;
  /** The protocol that is changed; null is a new one. */
  id: number | null;
  owner: HangingOwner;
  procedures: readonly Code[];
  /** Viewports, from 1, whose content could not be remembered. */
  unnamed?: readonly number[];
  /** Whether the kept protocol hangs the study at once; one that is in use does anyway. */
  isHungAtOnce: boolean;
  onKept: () => void;
  /** More actions, which may put another rule in the place of this one. */
  more?: (setRule: (rule: Rule) => void) => ReactNode;
}

/** Says a rule in words and fields, tries it on recent studies, and then keeps it. */
export function RuleEditor(props: RuleEditorProps) {
  const { id } = props;
  const t = useTexts();
  const queries = useQueryClient();
  const isAdministrator = useHasRight('administer');
  const [owner, setOwner] = useState(props.owner);
  const [rule, setRule] = useState(props.initial);
  const [chosen, setChosen] = useState(0);
  const trial = useMutation({ mutationFn: () => findStudiesAlike(asSent(rule).when) });
  const keep = useMutation({
    mutationFn: () =>
      id === null
        ? keepHangingProtocol(owner, asSent(rule))
        : changeHangingProtocol(id, { rule: asSent(rule) }),
    onSuccess: async (kept) => {
      await queries.invalidateQueries({ queryKey: ['hanging', 'history'] });
      await queries.invalidateQueries({ queryKey: hangingProtocolsQuery.queryKey });
      props.onKept();
      const protocol = kept.id === null ? null : protocolId(owner, kept.id);
      const { matches, current } = useHanging.getState();
      const isUsed = current !== null && matches[current]?.protocol.id === protocol;
      await findMatchesAnew(queries, props.isHungAtOnce || isUsed ? protocol : null);
    },
  });
  const set = (next: Rule): void => {
    setRule(next);
    trial.reset();
  };
  const change = (part: Partial<Rule>): void => set({ ...rule, ...part });
  const problem = problemOf(rule);
  const at = Math.min(chosen, rule.viewports.length - 1);
  const viewport = rule.viewports[at];
  return (
    <Stack gap="md">
      <Group align="end" className={classes.head}>
        <TextInput
          className={classes.name}
          label={t('hanging.name')}
          maxLength={NAME_MAX}
          value={rule.name}
          onChange={(event) => setRule({ ...rule, name: event.currentTarget.value })}
          data-autofocus
        />
        {id === null && (
          <SegmentedControl
            aria-label={t('hanging.for')}
            value={owner}
            onChange={(value) => setOwner(value === 'site' ? 'site' : 'person')}
            data={[
              { value: 'person', label: t('hanging.owner.person') },
              { value: 'site', label: t('hanging.owner.site'), disabled: !isAdministrator },
            ]}
          />
        )}
      </Group>
      {props.more?.(set)}
      <ConditionFields rule={rule} procedures={props.procedures} onChange={change} />
      <LayoutFields rule={rule} chosen={at} onChoose={setChosen} onChange={set} />
      {viewport && (
        <ViewportFields
          key={`${rule.layout} ${at}`}
          viewport={viewport}
          number={at + 1}
          onChange={(part) => set(withViewport(rule, at, part))}
        />
      )}
      <TogetherFields rule={rule} onChange={change} />
      <RuleInWords rule={rule} unnamed={props.unnamed ?? []} />
      {trial.data && <Trials studies={trial.data} rule={rule} />}
      {(trial.error ?? keep.error) && (
        <Alert color="red" variant="light">
          {(trial.error ?? keep.error)?.message}
        </Alert>
      )}
      {problem && problem !== 'tooWide' && (
        <Text size="sm" c="yellow" role="status">
          {t(`hanging.problem.${problem}`)}
        </Text>
      )}
      <Group justify="flex-end">
        <Button
          variant="default"
          disabled={problem !== null}
          loading={trial.isPending}
          onClick={() => trial.mutate()}
        >
          {t('hanging.try')}
        </Button>
        <SaveButton
          disabled={problem !== null || !trial.data}
          loading={keep.isPending}
          onClick={() => keep.mutate()}
        >
          {t(id === null ? 'hanging.keep' : 'hanging.keepChange')}
        </SaveButton>
      </Group>
      {!trial.data && (
        <Text size="sm" c="dimmed" ta="end">
          {t('hanging.tryFirst')}
        </Text>
      )}
    </Stack>
  );
}

/** Plain copies: what is sent may be changed by nobody. */
function asSent(rule: Rule): HangingRule {
  const { name, when, layout, viewports, atLeast, sizing, links, hasFusion } = rule;
  const said = { name: name.trim(), when, layout, viewports, atLeast, sizing, links, hasFusion };
  return JSON.parse(JSON.stringify(said)) as HangingRule;
}

/** Rows, columns, and which viewport is looked at: a grid as it will stand. */
function LayoutFields(props: {
  rule: Rule;
  chosen: number;
  onChoose: (at: number) => void;
  onChange: (rule: Rule) => void;
}) {
  const { rule, chosen } = props;
  const t = useTexts();
  const shape = shapeOf(rule.layout);
  const lay = (next: Shape): void => {
    if (isPossible(next)) props.onChange(relaid(rule, next));
  };
  const size = (key: keyof Shape, max: number) => (
    <NumberInput
      w={110}
      label={t(`hanging.${key}`)}
      min={1}
      max={max}
      value={shape[key]}
      onChange={(value) => {
        if (typeof value === 'number') lay({ ...shape, [key]: value });
      }}
    />
  );
  return (
    <fieldset className={classes.fields}>
      <legend>{t('hanging.layout')}</legend>
      <Group align="end">
        {size('rows', ROWS_MAX)}
        {size('columns', COLUMNS_MAX)}
      </Group>
      <div
        className={classes.grid}
        role="group"
        aria-label={t('hanging.chooseViewport')}
        style={{ gridTemplateColumns: `repeat(${shape.columns}, minmax(0, 1fr))` }}
      >
        {rule.viewports.map((viewport, at) => (
          <button
            key={at}
            type="button"
            className={classes.cell}
            aria-pressed={at === chosen}
            data-cell={at + 1}
            onClick={() => props.onChoose(at)}
          >
            <strong>{at + 1}</strong> <span>{viewportInWords(t, viewport)}</span>
          </button>
        ))}
      </div>
    </fieldset>
  );
}

function TogetherFields({ rule, onChange }: { rule: Rule; onChange: (part: Partial<Rule>) => void }) {
  const t = useTexts();
  const link = (name: keyof Rule['links'], label: string) => (
    <Checkbox
      label={label}
      checked={rule.links[name]}
      onChange={(event) => onChange({ links: { ...rule.links, [name]: event.currentTarget.checked } })}
    />
  );
  return (
    <fieldset className={classes.fields}>
      <legend>{t('hanging.together')}</legend>
      <Group gap="md">
        {link('place', t('actions.linkPlace'))}
        {link('window', t('actions.linkWindow'))}
        {link('view', t('actions.linkView'))}
        <Checkbox
          label={t('actions.fusion')}
          checked={rule.hasFusion}
          onChange={(event) => onChange({ hasFusion: event.currentTarget.checked })}
        />
      </Group>
      <SegmentedControl
        mt="sm"
        className={classes.sizes}
        aria-label={t('hanging.sizes')}
        value={rule.sizing}
        data={SIZES.map((sizing) => ({ value: sizing, label: t(`hanging.sizing.${sizing}`) }))}
        onChange={(sizing) => onChange({ sizing })}
      />
    </fieldset>
  );
}

export function RuleInWords({ rule, unnamed = [] }: { rule: Rule; unnamed?: readonly number[] }) {
  const t = useTexts();
  return (
    <div>
      <ol
        className={classes.viewports}
        aria-label={t('hanging.viewports', { layout: rule.layout.replace('x', ' × ') })}
      >
        {rule.viewports.map((viewport, at) => (
          <li key={at}>
            {viewportInWords(t, viewport)}
            {unnamed.includes(at + 1) && ` – ${t('hanging.unnamed')}`}
          </li>
        ))}
      </ol>
      <p className={classes.togetherWords}>{togetherInWords(t, rule).join(' · ')}</p>
    </div>
  );
}
