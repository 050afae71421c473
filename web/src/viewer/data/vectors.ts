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
