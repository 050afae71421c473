import { Popover, UnstyledButton } from '@mantine/core';
import { useStore } from 'zustand';
import { openingTimes, PHASES } from '../data/timing';
import { useTexts } from '../i18n';
import classes from './OpeningTimes.module.css';

/** How long the first image took; on demand, where the time went. */
export function OpeningTimes() {
  const t = useTexts();
  const phases = useStore(openingTimes, (state) => state.phases);
  if (phases.firstImage === undefined) return null;
  const seconds = (phases.firstImage / 1000).toFixed(2);
  return (
    <Popover position="top-end" withArrow>
      <Popover.Target>
        <UnstyledButton className={classes.button}>{t('opening.firstImage', { seconds })}</UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <table className={classes.table}>
          <caption>{t('opening.title')}</caption>
          <tbody>
            {PHASES.map((phase) => (
              <tr key={phase}>
                <th scope="row">{t(`opening.phases.${phase}`)}</th>
                <td>{phases[phase] === undefined ? '' : `${Math.round(phases[phase])} ms`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Popover.Dropdown>
    </Popover>
  );
}
