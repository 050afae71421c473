import { ActionIcon, Alert, Button, Group, Switch, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ArrowUp, Trash2 } from 'lucide-react';
import { useState } from 'react';
import {
  adoptHangingProtocol,
  changeHangingProtocol,
  type HangingProtocol,
  hangingProtocolsQuery,
  removeHangingProtocol,
} from '@/api/hanging';
import { useHasRight } from '@/api/session';
import { ConfirmDialog } from '@/ui/ConfirmDialog';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { builtIn } from './builtIn';
import { chooseHanging, useHangingChoice } from './choice';
import { findMatchesAnew } from './hang';
import classes from './Hanging.module.css';
import { NAME_MAX } from './protocol';
import { useHanging } from './state';
import { conditionsInWords } from './words';

/** The protocols of the person, of the site, of others, and those that are built in. */
export function ProtocolsDialog() {
  const t = useTexts();
  const isOpened = useHanging(({ dialog }) => dialog === 'list');
  const isAdministrator = useHasRight('administer');
  const canStore = useHasRight('store');
  const { isAutomatic, off } = useHangingChoice();
  const protocols = useQuery({ ...hangingProtocolsQuery, enabled: isOpened });
  const queries = useQueryClient();
  const of = (owner: HangingProtocol['owner']): HangingProtocol[] =>
    protocols.data?.filter((each) => each.owner === owner) ?? [];
  const others = of('archive');
  return (
    <Dialog
      opened={isOpened}
      onClose={() => useHanging.setState({ dialog: null })}
      title={t('actions.hangingProtocols')}
      size="xl"
    >
      <Switch
        label={t('hanging.automatic')}
        checked={isAutomatic}
        onChange={(event) => chooseHanging({ isAutomatic: event.currentTarget.checked })}
      />
      {protocols.isError && <Alert color="red">{protocols.error.message}</Alert>}
      <Section title={t('hanging.owner.person')} protocols={of('person')} canChange={canStore} />
      <Section
        title={t('hanging.owner.site')}
        protocols={of('site')}
        canChange={canStore && isAdministrator}
      />
      {others.length > 0 && (
        <Section title={t('hanging.owner.archive')} protocols={others} canChange={canStore} />
      )}
      <section aria-label={t('hanging.owner.builtIn')}>
        <h3 className={classes.heading}>{t('hanging.owner.builtIn')}</h3>
        <ul className={classes.protocols}>
          {builtIn((id) => t(`hanging.builtIn.${id}`)).map(({ id, name }) => (
            <li key={id}>
              <span>{name}</span>
              <Switch
                aria-label={t('hanging.isOn', { name })}
                checked={!off.includes(id)}
                onChange={(event) => {
                  const isOn = event.currentTarget.checked;
                  chooseHanging({ off: isOn ? off.filter((each) => each !== id) : [...off, id] });
                  void findMatchesAnew(queries, null);
                }}
              />
            </li>
          ))}
        </ul>
      </section>
    </Dialog>
  );
}

function Section(props: { title: string; protocols: HangingProtocol[]; canChange: boolean }) {
  const t = useTexts();
  return (
    <section aria-label={props.title}>
      <h3 className={classes.heading}>{props.title}</h3>
      {props.protocols.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('hanging.noneYet')}
        </Text>
      )}
      <ul className={classes.protocols}>
        {props.protocols.map((protocol, at) => (
          <Entry
            key={protocol.id ?? protocol.sopInstanceUid}
            protocol={protocol}
            place={at}
            canChange={props.canChange}
          />
        ))}
      </ul>
    </section>
  );
}

function Entry({
  protocol,
  place,
  canChange,
}: {
  protocol: HangingProtocol;
  place: number;
  canChange: boolean;
}) {
  const t = useTexts();
  const queries = useQueryClient();
  const [name, setName] = useState(protocol.name);
  const [isAsking, setIsAsking] = useState(false);
  const refresh = async (): Promise<void> => {
    await queries.invalidateQueries({ queryKey: hangingProtocolsQuery.queryKey });
    await findMatchesAnew(queries, null);
  };
  const { id, rule, notes, problem } = protocol;
  const change = useMutation({
    mutationFn: async (part: Parameters<typeof changeHangingProtocol>[1]) => {
      if (id !== null) await changeHangingProtocol(id, part);
    },
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: async () => {
      if (id !== null) await removeHangingProtocol(id);
    },
    onSuccess: refresh,
  });
  const adopt = useMutation({
    mutationFn: () => adoptHangingProtocol('person', protocol.sopInstanceUid),
    onSuccess: refresh,
  });
  const error = change.error ?? remove.error ?? adopt.error;
  return (
    <li data-protocol={protocol.name}>
      <div className={classes.entry}>
        {id !== null && canChange ? (
          <TextInput
            aria-label={t('hanging.name')}
            maxLength={NAME_MAX}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            onBlur={() => {
              const wanted = name.trim();
              if (wanted === '') setName(protocol.name);
              else if (wanted !== protocol.name) change.mutate({ name: wanted });
            }}
          />
        ) : (
          <span>{protocol.name}</span>
        )}
        <Text size="sm" c="dimmed">
          {rule ? `${rule.layout.replace('x', ' × ')}; ${conditionsInWords(t, rule.when)}` : problem}
        </Text>
        {notes.length > 0 && (
          <Text size="sm" c="yellow">
            {t('hanging.notSaid', {
              what: notes
                .map(({ kind, about }) => `${t(`hanging.note.${kind}`)}${about ? ` (${about})` : ''}`)
                .join(', '),
            })}
          </Text>
        )}
        {error && (
          <Text size="sm" c="red" role="alert">
            {error.message}
          </Text>
        )}
      </div>
      {id === null && canChange && rule && (
        <Button size="xs" variant="default" loading={adopt.isPending} onClick={() => adopt.mutate()}>
          {t('hanging.adopt')}
        </Button>
      )}
      {id !== null && (
        <Group gap={4} wrap="nowrap">
          <Switch
            aria-label={t('hanging.isOn', { name: protocol.name })}
            checked={protocol.isOn}
            disabled={!canChange || change.isPending}
            onChange={(event) => change.mutate({ isOn: event.currentTarget.checked })}
          />
          <ActionIcon
            aria-label={t('hanging.up', { name: protocol.name })}
            disabled={!canChange || place === 0}
            onClick={() => change.mutate({ position: place - 1 })}
          >
            <ArrowUp size={15} />
          </ActionIcon>
          <ActionIcon
            aria-label={t('hanging.delete', { name: protocol.name })}
            disabled={!canChange}
            onClick={() => setIsAsking(true)}
          >
            <Trash2 size={15} />
          </ActionIcon>
        </Group>
      )}
      <ConfirmDialog
        opened={isAsking}
        title={t('hanging.delete', { name: protocol.name })}
        text={t('hanging.deleteText')}
        action={t('hanging.deleteAction')}
        isBusy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setIsAsking(false)}
      />
    </li>
  );
}
