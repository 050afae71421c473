import type { Frame } from '../data/frames';
import type { Geometry } from '../data/orientation';
import type { Vector3 } from '../data/vectors';

/** Where an image without a plane in the patient is put: in the plane z = 0. */
export const UNPLACED_ROWS: Vector3 = [1, 0, 0];
export const UNPLACED_COLUMNS: Vector3 = [0, 1, 0];

export function geometryOf(frame: Frame): Geometry | null {
  const { pixels } = frame.instance;
  if (!pixels) return null;
  const { plane } = frame;
  return {
    columns: pixels.columns,
    rows: pixels.rows,
    columnSpacing: plane.columnSpacing,
    rowSpacing: plane.rowSpacing,
    rowDirection: plane.rowDirection ?? UNPLACED_ROWS,
    columnDirection: plane.columnDirection ?? UNPLACED_COLUMNS,
    position: plane.position ?? [0, 0, 0],
  };
}
