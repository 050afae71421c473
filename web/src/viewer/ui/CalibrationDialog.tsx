import { Button, Group, Modal, Slider } from '@mantine/core';
import { useState } from 'react';
import { useTexts } from '../i18n';
import {
  keepScreenScale,
  SCREEN_SCALE_ASSUMED,
  SCREEN_SCALE_MAX,
  SCREEN_SCALE_MIN,
  screenScale,
} from '../state/screenScale';
import { useSpace } from '../state/space';
import { showTrueSize } from '../tools/spatial';
import classes from './CalibrationDialog.module.css';

/** ISO/IEC 7810 ID-1: what bank cards, identity cards and health cards measure. */
const CARD_MM = { width: 85.6, height: 53.98 };

/** Measures the screen by a card held against it. */
export function CalibrationDialog() {
  const isOpened = useSpace((state) => state.isCalibrating);
  const t = useTexts();
  const close = (): void => useSpace.setState({ isCalibrating: false });
  return (
    <Modal opened={isOpened} onClose={close} title={t('trueSize.title')} size="auto">
      <Card onDone={close} />
    </Modal>
  );
}

function Card({ onDone }: { onDone: () => void }) {
  const t = useTexts();
  const [scale, setScale] = useState(screenScale() ?? SCREEN_SCALE_ASSUMED);
  return (
    <>
      <p className={classes.text}>{t('trueSize.text')}</p>
      <div
        className={classes.card}
        style={{ width: CARD_MM.width * scale, height: CARD_MM.height * scale }}
        aria-hidden
      />
      <Slider
        min={SCREEN_SCALE_MIN}
        max={SCREEN_SCALE_MAX}
        step={0.01}
        value={scale}
        onChange={setScale}
        label={(value) => t('trueSize.scale', { scale: value.toFixed(2) })}
        thumbLabel={t('trueSize.slider')}
        data-autofocus
      />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onDone}>
          {t('trueSize.cancel')}
        </Button>
        <Button
          onClick={() => {
            keepScreenScale(scale);
            onDone();
            void showTrueSize();
          }}
        >
          {t('trueSize.keep')}
        </Button>
      </Group>
    </>
  );
}
