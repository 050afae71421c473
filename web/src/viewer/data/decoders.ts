/**
 * The decoder workers: those of Cornerstone's image loader, started without Cornerstone. The first frame is decoded while
 * the renderer's code is still on its way.
 */
import { type Remote, wrap } from 'comlink';
import type { Samples } from '../lut/pixels';

const WORKERS_MAX = 4;

export interface DecodeTask {
  imageFrame: Record<string, unknown>;
  transferSyntax: string;
  pixelData: Uint8Array;
  options: Record<string, unknown>;
  decodeConfig: Record<string, unknown>;
}

export interface DecodeResult {
  pixelData: Samples;
  interleaveMode?: unknown;
  bitsPerPixel?: number;
}

interface Decoder {
  decodeTask: (task: DecodeTask) => Promise<DecodeResult>;
}

interface Member {
  decoder: Remote<Decoder>;
  busy: number;
}

/** They stay as long as the page: starting one costs as much as a frame of waiting. */
const crew: Member[] = [];

export const decodersStarted = (): number => crew.length;

function crewMax(): number {
  return Math.min(WORKERS_MAX, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
}

/**
 * The package's own entrance brings 400 kB that are then never run, and does not export the worker, hence the path.
 */
function start(): Member {
  const worker = new Worker(
    new URL(
      '../../../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js',
      import.meta.url,
    ),
    { type: 'module' },
  );
  const member = { decoder: wrap<Decoder>(worker), busy: 0 };
  crew.push(member);
  return member;
}

/** Starts one before there is anything to decode. */
export function startDecoder(): void {
  if (crew.length === 0) start();
}

export async function decodeInWorker(task: DecodeTask): Promise<DecodeResult> {
  let member = crew.find(({ busy }) => busy === 0);
  if (!member && crew.length < crewMax()) member = start();
  member ??= crew.reduce((least, other) => (other.busy < least.busy ? other : least));
  member.busy += 1;
  try {
    return await member.decoder.decodeTask(task);
  } finally {
    member.busy -= 1;
  }
}
