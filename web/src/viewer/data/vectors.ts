export type Vector3 = readonly [number, number, number];
export type Point2 = readonly [number, number];

export const cross = (a: Vector3, b: Vector3): Vector3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const dot = (a: Vector3, b: Vector3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const add = (a: Vector3, b: Vector3): Vector3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const scale = (a: Vector3, factor: number): Vector3 => [a[0] * factor, a[1] * factor, a[2] * factor];
export const length = (a: Vector3): number => Math.sqrt(dot(a, a));

export function normalized(a: Vector3): Vector3 {
  const size = length(a);
  return size === 0 ? a : scale(a, 1 / size);
}

export function asVector3(numbers: number[] | null | undefined): Vector3 | null {
  if (numbers?.length !== 3) return null;
  const [x, y, z] = numbers as [number, number, number];
  return [x, y, z];
}

/** Whether a point lies in a polygon, or on its edge. */
export function isInPolygon(polygon: readonly Point2[], column: number, row: number): boolean {
  let isInside = false;
  for (let at = 0, before = polygon.length - 1; at < polygon.length; before = at, at += 1) {
    const [x1, y1] = polygon[at] ?? [0, 0];
    const [x2, y2] = polygon[before] ?? [0, 0];
    const along = (column - x1) * (y2 - y1) - (row - y1) * (x2 - x1);
    const isBetween =
      Math.min(x1, x2) <= column &&
      column <= Math.max(x1, x2) &&
      Math.min(y1, y2) <= row &&
      row <= Math.max(y1, y2);
    if (Math.abs(along) < 1e-9 && isBetween) return true;
    if (y1 > row !== y2 > row && column < ((x2 - x1) * (row - y1)) / (y2 - y1) + x1) isInside = !isInside;
  }
  return isInside;
}
