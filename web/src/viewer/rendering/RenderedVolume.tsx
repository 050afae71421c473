import { ActionIcon, CloseButton, Loader, SegmentedControl, Select, Tooltip } from '@mantine/core';
import { Pause, Play, Undo2 } from 'lucide-react';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import type { StackDisplaySet } from '../data/displaySets';
import { lettersOf, oppositeLetters } from '../data/orientation';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';
import { refuse } from './actions';
import { openScene, type Opened } from './opening';
import { RENDERINGS, type RenderingName } from './presets';
import classes from './RenderedVolume.module.css';
import { closeRendering, useRendering } from './state';
import type { VolumeScene } from './VolumeScene';

const HANDS = ['rotate', 'strength', 'pan'] as const;
type Hand = (typeof HANDS)[number];

/** A drag of half a thousand pixels turns it once around less a quarter. */
const DEGREES_PER_PIXEL = 0.5;
const KEY_DEGREES = 15;
const SPIN_DEGREES_PER_S = 45;
const ZOOM_PER_PIXEL = 1.0015;
const KEY_ZOOM = 1.2;
const SHARE_PER_PIXEL = 1 / 400;

/** A stack as a volume over the viewports, or over one of them, which stay as they are below it. */
export function RenderedVolume() {
  const sourceId = useRendering((state) => state.sourceId);
  const source = useViewer(({ displaySets }) => displaySets[sourceId ?? '']);
  return source?.kind === 'stack' ? <Rendered key={source.id} stack={source} /> : null;
}

function useScene(stack: StackDisplaySet): [React.RefObject<HTMLDivElement | null>, VolumeScene | null] {
  const container = useRef<HTMLDivElement>(null);
  const scene = useRendering((state) => state.scene);
  useEffect(() => {
    const target = container.current;
    if (!target) return undefined;
    let opened: Opened | null = null;
    let isGone = false;
    openScene(stack, target, useRendering.getState().preset).then(
      (made) => {
        if (isGone) {
          made.close();
          return;
        }
        opened = made;
        useRendering.setState({ scene: made.scene });
      },
      (error: unknown) => {
        if (!isGone) refuse(error);
      },
    );
    const observer = new ResizeObserver(() => opened?.scene.resize());
    observer.observe(target);
    return () => {
      isGone = true;
      observer.disconnect();
      useRendering.setState({ scene: null });
      opened?.close();
    };
  }, [stack]);
  return [container, scene];
}

/** Turns it about the axis of the patient until it is stopped. */
function useSpin(scene: VolumeScene | null, isSpinning: boolean, onTurned: () => void): void {
  useEffect(() => {
    if (!scene || !isSpinning) return undefined;
    let last = performance.now();
    let next = 0;
    const turn = (now: number): void => {
      scene.rotate((SPIN_DEGREES_PER_S * (now - last)) / 1000, 0);
      onTurned();
      last = now;
      next = requestAnimationFrame(turn);
    };
    next = requestAnimationFrame(turn);
    return () => cancelAnimationFrame(next);
  }, [scene, isSpinning, onTurned]);
}

function Rendered({ stack }: { stack: StackDisplaySet }) {
  const t = useTexts();
  const [container, scene] = useScene(stack);
  const [hand, setHand] = useState<Hand>('rotate');
  const [isSpinning, setSpinning] = useState(false);
  const [, setTurned] = useState(0);
  const [redraw] = useState(() => () => setTurned((before) => before + 1));
  useSpin(scene, isSpinning, redraw);
  const pointers = useRef(new Map<number, { x: number; y: number; isSecond: boolean }>());

  const act = (work: (of: VolumeScene) => void): void => {
    if (!scene) return;
    work(scene);
    redraw();
  };

  const handleMove = (event: PointerEvent): void => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const { clientX: x, clientY: y } = event;
    const [dx, dy] = [x - before.x, y - before.y];
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    act((of) => {
      if (other) {
        const [from, to] = [before, { x, y }].map((at) => Math.hypot(at.x - other.x, at.y - other.y));
        of.pan(dx / 2, dy / 2);
        if (from && to) of.zoom(to / from);
      } else if (hand === 'pan') of.pan(dx, dy);
      else if (hand === 'strength' || before.isSecond)
        of.changeStrength(dy * SHARE_PER_PIXEL, dx * SHARE_PER_PIXEL);
      else of.rotate(dx * DEGREES_PER_PIXEL, dy * DEGREES_PER_PIXEL);
    });
    pointers.current.set(event.pointerId, { ...before, x, y });
  };

  const handleKey = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? 90 : KEY_DEGREES;
    const keys: Record<string, (of: VolumeScene) => void> = {
      ArrowRight: (of) => of.rotate(step, 0),
      ArrowLeft: (of) => of.rotate(-step, 0),
      ArrowDown: (of) => of.rotate(0, step),
      ArrowUp: (of) => of.rotate(0, -step),
      '+': (of) => of.zoom(KEY_ZOOM),
      '-': (of) => of.zoom(1 / KEY_ZOOM),
      '0': (of) => of.reset(),
      ' ': () => setSpinning((before) => !before),
    };
    const work = event.altKey || event.ctrlKey || event.metaKey ? undefined : keys[event.key];
    if (!work) return;
    event.preventDefault();
    event.stopPropagation();
    act(work);
  };

  const letters = scene && {
    right: lettersOf(scene.directions.right),
    up: lettersOf(scene.directions.up),
    towards: lettersOf(scene.directions.towards),
  };
  return (
    <section className={classes.rendered} aria-label={t('rendering.title')}>
      <div className={classes.bar}>
        <Select
          size="xs"
          className={classes.presets}
          aria-label={t('rendering.preset')}
          allowDeselect={false}
          value={scene?.preset ?? null}
          data={RENDERINGS.map((name) => ({ value: name, label: t(`rendering.presets.${name}`) }))}
          onChange={(name) => act((of) => of.setPreset(name as RenderingName))}
        />
        <SegmentedControl
          size="xs"
          aria-label={t('rendering.hand')}
          value={hand}
          data={HANDS.map((each) => ({ value: each, label: t(`rendering.hands.${each}`) }))}
          onChange={setHand}
        />
        <Tooltip label={t('rendering.spin')}>
          <ActionIcon
            size={30}
            aria-label={t('rendering.spin')}
            aria-pressed={isSpinning}
            onClick={() => setSpinning(!isSpinning)}
          >
            {isSpinning ? <Pause size={16} /> : <Play size={16} />}
          </ActionIcon>
        </Tooltip>
        <Tooltip label={t('rendering.reset')}>
          <ActionIcon size={30} aria-label={t('rendering.reset')} onClick={() => act((of) => of.reset())}>
            <Undo2 size={16} />
          </ActionIcon>
        </Tooltip>
        <CloseButton className={classes.close} aria-label={t('rendering.close')} onClick={closeRendering} />
      </div>
      <div
        className={classes.picture}
        data-rendering={stack.id}
        role="application"
        aria-label={t('rendering.picture', { name: stack.description || stack.modality })}
        tabIndex={0}
        onKeyDown={handleKey}
        onContextMenu={(event) => event.preventDefault()}
        onWheel={(event) => act((of) => of.zoom(ZOOM_PER_PIXEL ** -event.deltaY))}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          pointers.current.set(event.pointerId, {
            x: event.clientX,
            y: event.clientY,
            isSecond: event.button === 2,
          });
        }}
        onPointerMove={handleMove}
        onPointerUp={(event) => pointers.current.delete(event.pointerId)}
        onPointerCancel={(event) => pointers.current.delete(event.pointerId)}
      >
        <div ref={container} className={classes.canvas} />
        {letters && (
          <div className={classes.letters} data-mip={scene.preset === 'petMip' || undefined}>
            <span>{letters.up}</span>
            <span>{letters.right}</span>
            <span>{oppositeLetters(letters.up)}</span>
            <span>{oppositeLetters(letters.right)}</span>
          </div>
        )}
        {!scene && (
          <div className={classes.loading} role="status" aria-label={t('rendering.loading')}>
            <Loader size="sm" color="gray" />
          </div>
        )}
      </div>
      <p className={classes.words} role="status">
        {letters ? t('rendering.seenFrom', { letters: letters.towards }) : ''}
      </p>
    </section>
  );
}
