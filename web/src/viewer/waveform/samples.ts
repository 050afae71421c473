/** Fetches waveforms: what is said of them, and their samples, stretch by stretch. */
import { API_ROOT } from '@/api/client';
import type { Instance } from '../data/frames';
import { Failure, failureOf } from '../data/errors';
import { millivoltsOf, type Waveform, type WaveformGroup } from './leads';

const TIMEOUT_MS = 30_000;
/** Of all channels together: a tenth of a second on a slow line, and ten seconds of an ECG. */
const STRETCH_SAMPLES = 1 << 18;

const rootOf = ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: Instance): string =>
  `${API_ROOT}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/waveform`;

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const late = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin', signal: AbortSignal.any([signal, late]) });
  } catch (error) {
    throw new Failure(late.aborted ? 'timeout' : 'network', '', { cause: error });
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

export const waveformQuery = (instance: Instance) => ({
  queryKey: ['waveform', instance.sopInstanceUid],
  retry: false,
  staleTime: Infinity,
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Waveform> =>
    (await ask(rootOf(instance), signal).then((response) => response.json())) as Waveform,
});

/** Samples of each channel in one stretch. */
export const stretchLength = ({ numberOfChannels }: WaveformGroup, samplesMax: number): number =>
  Math.max(1, Math.floor(Math.min(samplesMax, STRETCH_SAMPLES) / Math.max(1, numberOfChannels)));

/** The samples of each channel of a stretch; voltages are in mV. */
export const stretchQuery = (instance: Instance, group: WaveformGroup, length: number, at: number) => ({
  queryKey: ['waveform', instance.sopInstanceUid, group.number, length, at],
  retry: false,
  staleTime: Infinity,
  gcTime: 60_000,
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Float32Array[]> => {
    const url = `${rootOf(instance)}/${group.number}/samples?first=${at * length}&count=${length}`;
    const bytes = await ask(url, signal).then((response) => response.arrayBuffer());
    return channelsIn(bytes, group);
  },
});

/** Takes an answer apart: 32-bit floats, little endian, channel after channel. */
export function channelsIn(bytes: ArrayBuffer, group: WaveformGroup): Float32Array[] {
  const view = new DataView(bytes);
  const length = Math.floor(bytes.byteLength / 4 / Math.max(1, group.numberOfChannels));
  return Array.from({ length: group.numberOfChannels }, (_, number) => {
    const channel = group.channels[number];
    const factor = (channel && millivoltsOf(channel)) ?? 1;
    return Float32Array.from(
      { length },
      (_sample, at) => view.getFloat32(4 * (number * length + at), true) * factor,
    );
  });
}

/** What is here of a group, as if it were one. */
export interface Loaded {
  length: number;
  stretches: ReadonlyMap<number, Float32Array[]>;
}

export function sampleOf({ length, stretches }: Loaded, channel: number, at: number): number {
  return stretches.get(Math.floor(at / length))?.[channel]?.[at % length] ?? Number.NaN;
}
