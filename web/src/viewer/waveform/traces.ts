/** How high each channel is drawn, and around which value. */
import { millivoltsOf, nameOf, unitOf, type WaveformGroup } from './leads';
import type { Loaded } from './samples';
import { niceBelow, type Trace } from './sheet';

/** A recording that was not freed of its offset would else lie beside its row. */
const OFFSET_MV = 1.5;
const LOOKED_AT = 2000;
const FILLED = 0.8;
const USUAL_GAIN = 10;

/** Least, middle and greatest of some samples of a channel. */
function spreadOf({ stretches }: Loaded, channel: number): [number, number, number] {
  const [first] = [...stretches.entries()].sort(([a], [b]) => a - b);
  const samples = first?.[1][channel] ?? new Float32Array();
  const step = Math.max(1, Math.floor(samples.length / LOOKED_AT));
  const some = samples.filter((value, at) => at % step === 0 && Number.isFinite(value)).sort();
  return [some[0] ?? 0, some[Math.floor(some.length / 2)] ?? 0, some.at(-1) ?? 0];
}

/** Voltages have the gain in mm/mV; what has another unit fills its row at the usual gain. */
export function tracesOf(group: WaveformGroup, loaded: Loaded, gain: number, rowMm: number): Trace[] {
  return group.channels.map((channel, at): Trace => {
    const [least, middle, greatest] = spreadOf(loaded, at);
    const named = { name: nameOf(channel), unit: unitOf(channel) };
    if (millivoltsOf(channel) !== null)
      return { ...named, mmPerUnit: gain, centre: Math.abs(middle) > OFFSET_MV ? middle : 0 };
    const usual = greatest > least ? niceBelow((FILLED * rowMm) / (greatest - least)) : 1;
    return { ...named, mmPerUnit: (usual * gain) / USUAL_GAIN, centre: (least + greatest) / 2 };
  });
}
