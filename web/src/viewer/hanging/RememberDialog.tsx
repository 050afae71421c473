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
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  findStudiesAlike,
  type HangingOwner,
  hangingProtocolsQuery,
  type HangingRule,
  keepHangingProtocol,
} from '@/api/hanging';
import { useHasRight } from '@/api/session';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { type Seen, seeArrangement } from './arrangement';
import { findMatchesAnew, protocolId } from './hang';
import { NAME_MAX, type Rule } from './protocol';
import { ruleOf } from './remember';
import { useHanging } from './state';
import { Trials } from './Trials';
import { regionInWords, sideInWords, togetherInWords, viewportInWords } from './words';
import classes from './Hanging.module.css';

const close = (): void => useHanging.setState({ dialog: null });

/** Turns what the reader arranged into a rule, says it in words, tries it on recent studies, and keeps it. */
export function RememberDialog() {
  const t = useTexts();
  const isOpened = useHanging(({ dialog }) => dialog === 'remember');
  const queries = useQueryClient();
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  const seen = useQuery({
    queryKey: ['hanging', 'seen', studyInstanceUid],
    queryFn: () => seeArrangement(queries),
    enabled: isOpened,
    staleTime: 0,
    gcTime: 0,
  });
  return (
    <Dialog opened={isOpened} onClose={close} title={t('actions.rememberHanging')} size="xl">
      {seen.isError && <Alert color="red">{seen.error.message}</Alert>}
      {seen.data && !seen.isFetching && <RuleForm seen={seen.data} />}
    </Dialog>
  );
}

function RuleForm({ seen }: { seen: Seen }) {
  const t = useTexts();
  const queries = useQueryClient();
  const subject = seen.studies[0];
  const isAdministrator = useHasRight('administer');
  const [owner, setOwner] = useState<HangingOwner>('person');
  const [rule, setRule] = useState<Rule>(() => {
    const derived = ruleOf(seen.arrangement, seen.studies, '');
    const regions = derived.when.regions.map((region) => regionInWords(t, region));
    return { ...derived, name: [...derived.when.modalities, ...regions].join(' ').slice(0, NAME_MAX) };
  });
  const [found] = useState(rule.when);
  const trial = useMutation({ mutationFn: () => findStudiesAlike(asSent(rule).when) });
  const keep = useMutation({
    mutationFn: () => keepHangingProtocol(owner, asSent(rule)),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: hangingProtocolsQuery.queryKey });
      close();
      await findMatchesAnew(queries, id === null ? null : protocolId(owner, id));
    },
  });
  const change = (part: Partial<Rule>): void => {
    setRule((before) => ({ ...before, ...part }));
    trial.reset();
  };
  const narrow = (part: Partial<Rule['when']>): void => change({ when: { ...rule.when, ...part } });
  const toggle = <Item,>(items: readonly Item[], item: Item, isOn: boolean): Item[] =>
    isOn ? [...items, item] : items.filter((each) => each !== item);
  const filled = rule.viewports.filter(({ selector }) => selector !== null).length;
  const isFor = rule.when.modalities.length > 0 || rule.when.regions.length > 0;
  const canTry = filled > 0 && isFor && rule.name.trim() !== '';
  return (
    <Stack gap="md">
      <Group align="end" grow>
        <TextInput
          label={t('hanging.name')}
          maxLength={NAME_MAX}
          value={rule.name}
          onChange={(event) => setRule({ ...rule, name: event.currentTarget.value })}
          data-autofocus
        />
        <SegmentedControl
          aria-label={t('hanging.for')}
          value={owner}
          onChange={(value) => setOwner(value === 'site' ? 'site' : 'person')}
          data={[
            { value: 'person', label: t('hanging.owner.person') },
            { value: 'site', label: t('hanging.owner.site'), disabled: !isAdministrator },
          ]}
        />
      </Group>
      <fieldset className={classes.fields}>
        <legend>{t('hanging.when')}</legend>
        <Group gap="md">
          {found.modalities.map((modality) => (
            <Checkbox
              key={modality}
              label={modality}
              checked={rule.when.modalities.includes(modality)}
              onChange={(event) =>
                narrow({ modalities: toggle(rule.when.modalities, modality, event.currentTarget.checked) })
              }
            />
          ))}
          {subject?.regions.map((region) => (
            <Checkbox
              key={region}
              label={regionInWords(t, region)}
              checked={rule.when.regions.includes(region)}
              onChange={(event) =>
                narrow({ regions: toggle(rule.when.regions, region, event.currentTarget.checked) })
              }
            />
          ))}
          {subject?.procedures.map((code) => (
            <Checkbox
              key={`${code.scheme} ${code.value}`}
              label={t('hanging.procedure', { name: code.meaning || code.value })}
              checked={rule.when.procedures.includes(code)}
              onChange={(event) =>
                narrow({ procedures: toggle(rule.when.procedures, code, event.currentTarget.checked) })
              }
            />
          ))}
          {subject?.sides.length === 1 && (
            <Checkbox
              label={t('hanging.side', { side: sideInWords(t, subject.sides[0] ?? '') })}
              checked={rule.when.laterality !== ''}
              onChange={(event) => {
                const [side] = subject.sides;
                narrow({
                  laterality: event.currentTarget.checked && (side === 'L' || side === 'R') ? side : '',
                });
              }}
            />
          )}
          {found.priors > 0 && (
            <Checkbox
              label={t('hanging.priors', { count: found.priors })}
              checked={rule.when.priors > 0}
              onChange={(event) => narrow({ priors: event.currentTarget.checked ? found.priors : 0 })}
            />
          )}
        </Group>
        {!isFor && (
          <Text size="sm" c="yellow" role="status">
            {t('hanging.tooWide')}
          </Text>
        )}
        <NumberInput
          mt="sm"
          w={260}
          label={t('hanging.atLeast')}
          min={1}
          max={Math.max(1, filled)}
          value={rule.atLeast}
          onChange={(value) => {
            if (typeof value === 'number' && value >= 1) change({ atLeast: value });
          }}
        />
      </fieldset>
      <RuleInWords rule={rule} unnamed={seen.unnamed} />
      {trial.data && <Trials studies={trial.data} rule={rule} />}
      {(trial.error ?? keep.error) && (
        <Alert color="red" variant="light">
          {(trial.error ?? keep.error)?.message}
        </Alert>
      )}
      <Group justify="flex-end">
        <Button variant="default" disabled={!canTry} loading={trial.isPending} onClick={() => trial.mutate()}>
          {t('hanging.try')}
        </Button>
        <Button disabled={!canTry || !trial.data} loading={keep.isPending} onClick={() => keep.mutate()}>
          {t('hanging.keep')}
        </Button>
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
  return JSON.parse(JSON.stringify({ ...rule, name: rule.name.trim() })) as HangingRule;
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
      <p className={classes.together}>{togetherInWords(t, rule).join(' · ')}</p>
    </div>
  );
}
