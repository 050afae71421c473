/** Whether a stack has all its slices, told from the distances between them: a hole is a step that several would fill. */
import type { StackDisplaySet } from './displaySets';
import { distanceAlongNormal, normalOf } from './frames';

/** Steps differ by less than this in a whole stack; half a step more is a hole. */
const HOLE = 1.5;
/** More holes than this are no holes: such a stack was planned with gaps. */
const HOLES_SHARE = 0.2;

const known = new WeakMap<StackDisplaySet, number>();

export function missingSlices(stack: StackDisplaySet): number {
  const found = known.get(stack);
  if (found !== undefined) return found;
  const counted = count(stack);
  known.set(stack, counted);
  return counted;
}

function count({ frames, ordering }: StackDisplaySet): number {
  const [first] = frames;
  const normal = first && normalOf(first.plane);
  if (!normal || ordering !== 'position' || frames.length < 4) return 0;
  const distances = frames.map(({ plane }) => distanceAlongNormal(plane, normal) ?? 0);
  const steps = distances.slice(1).map((distance, index) => Math.abs(distance - (distances[index] ?? 0)));
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  if (usual <= 0) return 0;
  const holes = steps.filter((step) => step > usual * HOLE);
  if (holes.length > steps.length * HOLES_SHARE) return 0;
  return holes.reduce((sum, step) => sum + Math.round(step / usual) - 1, 0);
}
