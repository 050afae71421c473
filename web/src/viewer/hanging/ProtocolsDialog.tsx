import { ActionIcon, Alert, Button, Group, Switch, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ArrowDown, ArrowUp, Copy, GripVertical, Pencil, Trash2 } from 'lucide-react';
import { type DragEvent, type RefObject, useEffect, useRef, useState } from 'react';
import {
  adoptHangingProtocol,
  changeHangingProtocol,
  type HangingOwner,
  type HangingProtocol,
  hangingProtocolsQuery,
  removeHangingProtocol,
} from '@/api/hanging';
import { useHasRight } from '@/api/session';
import { Dialog } from '@/ui/Dialog';
import { useTexts } from '../i18n';
import { useIsNarrow } from '../ui/useIsNarrow';
import { builtIn } from './builtIn';
import { chooseHanging, useHangingChoice } from './choice';
import { named } from './editing';
import { findMatchesAnew, ruleFrom } from './hang';
import classes from './Hanging.module.css';
import { NAME_MAX, type Rule } from './protocol';
import { forgetDeleted, noteDeleted, useHanging } from './state';
import { conditionsInWords } from './words';

const openEditor = (edited: { id: number | null; owner: HangingOwner; title: string; rule: Rule }): void =>
  useHanging.setState({ dialog: 'edit', edited });

/** Fetches the lists anew, and which protocols are for the study. */
function useRefresh(): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    await queries.invalidateQueries({ queryKey: hangingProtocolsQuery.queryKey });
    await findMatchesAnew(queries, null);
  };
}

/** The protocols of the person, of the site, of others, and those that are built in. */
export function ProtocolsDialog() {
  const t = useTexts();
  const isNarrow = useIsNarrow();
  const isOpened = useHanging(({ dialog }) => dialog === 'list');
  const isAdministrator = useHasRight('administer');
  const canStore = useHasRight('store');
  const { isAutomatic } = useHangingChoice();
  const protocols = useQuery({ ...hangingProtocolsQuery, enabled: isOpened });
  const of = (owner: HangingProtocol['owner']): HangingProtocol[] =>
    protocols.data?.filter((each) => each.owner === owner) ?? [];
  const others = of('archive');
  return (
    <Dialog
      opened={isOpened}
      onClose={() => useHanging.setState({ dialog: null })}
      title={t('actions.hangingProtocols')}
      size="xl"
      fullScreen={isNarrow}
    >
      <Switch
        label={t('hanging.automatic')}
        checked={isAutomatic}
        onChange={(event) => chooseHanging({ isAutomatic: event.currentTarget.checked })}
      />
      {!canStore && (
        <Text size="sm" c="dimmed" mt="sm">
          {t('rights.store')}
        </Text>
      )}
      {protocols.isError && <Alert color="red">{protocols.error.message}</Alert>}
      <Undo />
      <Section title={t('hanging.owner.person')} protocols={of('person')} canChange={canStore} />
      <Section
        title={t('hanging.owner.site')}
        protocols={of('site')}
        canChange={canStore && isAdministrator}
      />
      {others.length > 0 && (
        <Section title={t('hanging.owner.archive')} protocols={others} canChange={canStore} />
      )}
      <BuiltIn canCopy={canStore} />
    </Dialog>
  );
}

/** What was deleted, each with the way back to where it stood. */
function Undo() {
  const t = useTexts();
  const refresh = useRefresh();
  const deleted = useHanging((state) => state.deleted);
  const restore = useMutation({
    mutationFn: async ({ protocol, position }: (typeof deleted)[number]) => {
      const { owner, sopInstanceUid, isOn } = protocol;
      if (owner !== 'archive') await adoptHangingProtocol(owner, sopInstanceUid, { position, isOn });
      forgetDeleted(sopInstanceUid);
    },
    onSuccess: refresh,
  });
  if (deleted.length === 0) return null;
  return (
    <div role="status">
      <ul className={classes.deleted}>
        {deleted.map((one) => (
          <li key={one.protocol.sopInstanceUid}>
            {t('hanging.deleted', { name: one.protocol.name })}
            <Button
              size="xs"
              variant="default"
              loading={restore.isPending}
              onClick={() => restore.mutate(one)}
              aria-label={t('hanging.undoOf', { name: one.protocol.name })}
            >
              {t('hanging.undo')}
            </Button>
          </li>
        ))}
      </ul>
      {restore.error && (
        <Text size="sm" c="red" role="alert">
          {restore.error.message}
        </Text>
      )}
    </div>
  );
}

function BuiltIn({ canCopy }: { canCopy: boolean }) {
  const t = useTexts();
  const queries = useQueryClient();
  const { off } = useHangingChoice();
  return (
    <section aria-label={t('hanging.owner.builtIn')}>
      <h3 className={classes.heading}>{t('hanging.owner.builtIn')}</h3>
      <ul className={classes.protocols}>
        {builtIn((id) => t(`hanging.builtIn.${id}`)).map(({ id, owner: _, ...rule }) => (
          <li key={id}>
            <span className={classes.entry}>{rule.name}</span>
            <Group gap={4} wrap="nowrap">
              <CopyButton rule={rule} isAllowed={canCopy} />
              <Switch
                aria-label={t('hanging.isOn', { name: rule.name })}
                checked={!off.includes(id)}
                onChange={(event) => {
                  const isOn = event.currentTarget.checked;
                  chooseHanging({ off: isOn ? off.filter((each) => each !== id) : [...off, id] });
                  void findMatchesAnew(queries, null);
                }}
              />
            </Group>
          </li>
        ))}
      </ul>
    </section>
  );
}

function CopyButton({ rule, isAllowed }: { rule: Rule; isAllowed: boolean }) {
  const t = useTexts();
  const copy = named(rule, t('hanging.copyName', { name: rule.name }));
  return (
    <ActionIcon
      aria-label={t('hanging.copy', { name: rule.name })}
      disabled={!isAllowed}
      onClick={() => openEditor({ id: null, owner: 'person', title: rule.name, rule: copy })}
    >
      <Copy size={15} />
    </ActionIcon>
  );
}

function Section(props: { title: string; protocols: HangingProtocol[]; canChange: boolean }) {
  const { protocols } = props;
  const t = useTexts();
  const refresh = useRefresh();
  const [dragged, setDragged] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const move = useMutation({
    mutationFn: async ({ from, to }: { from: number; to: number }) => {
      const id = protocols[from]?.id;
      if (typeof id === 'number') await changeHangingProtocol(id, { position: to });
    },
    onSuccess: refresh,
  });
  const moved = move.isSuccess ? protocols[move.variables.to] : undefined;
  const drag = (at: number) => ({
    isOver: over === at && dragged !== null && dragged !== at,
    onStart: () => setDragged(at),
    onEnd: () => {
      setDragged(null);
      setOver(null);
    },
    onOver: (event: DragEvent) => {
      if (dragged === null) return;
      event.preventDefault();
      setOver(at);
    },
    onDrop: (event: DragEvent) => {
      event.preventDefault();
      if (dragged !== null && dragged !== at) move.mutate({ from: dragged, to: at });
    },
  });
  return (
    <section aria-label={props.title}>
      <h3 className={classes.heading}>{props.title}</h3>
      {protocols.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('hanging.noneYet')}
        </Text>
      )}
      <ul className={classes.protocols}>
        {protocols.map((protocol, at) => (
          <Entry
            key={protocol.id ?? protocol.sopInstanceUid}
            protocol={protocol}
            place={at}
            count={protocols.length}
            canChange={props.canChange}
            drag={drag(at)}
            onMove={(to) => move.mutate({ from: at, to })}
          />
        ))}
      </ul>
      <p className={classes.spoken} role="status">
        {moved &&
          t('hanging.moved', {
            name: moved.name,
            place: protocols.indexOf(moved) + 1,
            count: protocols.length,
          })}
      </p>
      {move.error && (
        <Text size="sm" c="red" role="alert">
          {move.error.message}
        </Text>
      )}
    </section>
  );
}

interface Drag {
  isOver: boolean;
  onStart: () => void;
  onEnd: () => void;
  onOver: (event: DragEvent) => void;
  onDrop: (event: DragEvent) => void;
}

interface EntryProps {
  protocol: HangingProtocol;
  place: number;
  count: number;
  canChange: boolean;
  drag: Drag;
  onMove: (to: number) => void;
}

function Entry({ protocol, place, count, canChange, drag, onMove }: EntryProps) {
  const t = useTexts();
  const refresh = useRefresh();
  const [name, setName] = useState(protocol.name);
  const { id, rule, problem, owner } = protocol;
  const change = useMutation({
    mutationFn: async (part: Parameters<typeof changeHangingProtocol>[1]) => {
      if (id !== null) await changeHangingProtocol(id, part);
    },
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: async () => {
      if (id !== null) await removeHangingProtocol(id);
      noteDeleted({ protocol, position: place });
    },
    onSuccess: refresh,
  });
  const adopt = useMutation({
    mutationFn: () => adoptHangingProtocol('person', protocol.sopInstanceUid),
    onSuccess: refresh,
  });
  const error = change.error ?? remove.error ?? adopt.error;
  const isMine = id !== null && canChange;
  return (
    <li
      data-protocol={protocol.name}
      data-over={drag.isOver || undefined}
      onDragOver={drag.onOver}
      onDrop={drag.onDrop}
    >
      {isMine && count > 1 && (
        <span
          className={classes.grip}
          draggable
          title={t('hanging.drag')}
          data-role="grip"
          onDragStart={(event) => {
            event.dataTransfer.effectAllowed = 'move';
            event.dataTransfer.setData('text/plain', protocol.name);
            drag.onStart();
          }}
          onDragEnd={drag.onEnd}
        >
          <GripVertical size={15} aria-hidden />
        </span>
      )}
      <div className={classes.entry}>
        {isMine ? (
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
        <Notes notes={protocol.notes} />
        {error && (
          <Text size="sm" c="red" role="alert">
            {error.message}
          </Text>
        )}
      </div>
      <Group gap={4} className={classes.buttons}>
        {id === null && canChange && rule && (
          <Button size="xs" variant="default" loading={adopt.isPending} onClick={() => adopt.mutate()}>
            {t('hanging.adopt')}
          </Button>
        )}
        {id !== null && (
          <Switch
            aria-label={t('hanging.isOn', { name: protocol.name })}
            checked={protocol.isOn}
            disabled={!canChange || change.isPending}
            onChange={(event) => change.mutate({ isOn: event.currentTarget.checked })}
          />
        )}
        {isMine && <MoveButtons name={protocol.name} place={place} count={count} onMove={onMove} />}
        {isMine && rule && owner !== 'archive' && (
          <ActionIcon
            aria-label={t('hanging.edit', { name: protocol.name })}
            onClick={() => openEditor({ id, owner, title: protocol.name, rule: ruleFrom(rule) })}
          >
            <Pencil size={15} />
          </ActionIcon>
        )}
        {rule && <CopyButton rule={ruleFrom(rule)} isAllowed={canChange || owner === 'site'} />}
        {isMine && (
          <ActionIcon
            aria-label={t('hanging.delete', { name: protocol.name })}
            loading={remove.isPending}
            onClick={() => remove.mutate()}
          >
            <Trash2 size={15} />
          </ActionIcon>
        )}
      </Group>
    </li>
  );
}

function Notes({ notes }: Pick<HangingProtocol, 'notes'>) {
  const t = useTexts();
  if (notes.length === 0) return null;
  const what = notes.map(({ kind, about }) => `${t(`hanging.note.${kind}`)}${about ? ` (${about})` : ''}`);
  return (
    <Text size="sm" c="yellow">
      {t('hanging.notSaid', { what: what.join(', ') })}
    </Text>
  );
}

/** One place up or down; the focus goes with the entry. At the ends the button stays, for it may have the focus. */
function MoveButtons(props: { name: string; place: number; count: number; onMove: (to: number) => void }) {
  const { name, place, count, onMove } = props;
  const t = useTexts();
  const up = useRef<HTMLButtonElement>(null);
  const down = useRef<HTMLButtonElement>(null);
  const used = useRef<RefObject<HTMLButtonElement | null> | null>(null);
  useEffect(() => {
    used.current?.current?.focus();
    used.current = null;
  }, [place]);
  const move = (button: RefObject<HTMLButtonElement | null>, to: number): void => {
    if (to < 0 || to >= count) return;
    used.current = button;
    onMove(to);
  };
  return (
    <>
      <ActionIcon
        ref={up}
        aria-label={t('hanging.up', { name })}
        aria-disabled={place === 0}
        data-disabled={place === 0 || undefined}
        onClick={() => move(up, place - 1)}
      >
        <ArrowUp size={15} />
      </ActionIcon>
      <ActionIcon
        ref={down}
        aria-label={t('hanging.down', { name })}
        aria-disabled={place === count - 1}
        data-disabled={place === count - 1 || undefined}
        onClick={() => move(down, place + 1)}
      >
        <ArrowDown size={15} />
      </ActionIcon>
    </>
  );
}
