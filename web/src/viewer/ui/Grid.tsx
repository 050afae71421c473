import { shapeOf } from '../state/layout';
import { panesOf, useViewer } from '../state/store';
import classes from './Grid.module.css';
import { Pane } from './Pane';

/** The viewports in their layout; a maximised one stands alone. */
export function Grid({ isReady, isNarrow }: { isReady: boolean; isNarrow: boolean }) {
  const layout = useViewer((state) => state.layout);
  const maximised = useViewer((state) => state.maximised);
  const panes = maximised ? [maximised] : panesOf(layout);
  const { rows, columns } = shapeOf(maximised ? '1x1' : layout);
  return (
    <div
      className={classes.grid}
      data-layout={`${rows}x${columns}`}
      style={{
        gridTemplateRows: `repeat(${rows}, minmax(0, 1fr))`,
        gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
      }}
    >
      {panes.map((id) => (
        <Pane key={id} id={id} isReady={isReady} isNarrow={isNarrow} isOnly={panes.length === 1} />
      ))}
    </div>
  );
}
