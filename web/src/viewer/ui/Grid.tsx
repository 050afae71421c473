import { panesOf, useViewer } from '../state/store';
import classes from './Grid.module.css';
import { Pane } from './Pane';

/** The viewports in their layout; a maximised one stands alone. */
export function Grid({ isReady, isNarrow }: { isReady: boolean; isNarrow: boolean }) {
  const layout = useViewer((state) => state.layout);
  const maximised = useViewer((state) => state.maximised);
  const panes = maximised ? [maximised] : panesOf(layout);
  return (
    <div className={classes.grid} data-layout={maximised ? '1x1' : layout}>
      {panes.map((id) => (
        <Pane key={id} id={id} isReady={isReady} isNarrow={isNarrow} isOnly={panes.length === 1} />
      ))}
    </div>
  );
}
