/** Plays a sound that was stored as a waveform (Basic Voice Audio, PS3.3 A.34.7), its loudest moment as loud as can be. */

function levelled(samples: Float32Array): Float32Array<ArrayBuffer> {
  const middle = samples.reduce((sum, value) => sum + value, 0) / Math.max(1, samples.length);
  const most = samples.reduce((peak, value) => Math.max(peak, Math.abs(value - middle)), 1e-9);
  return Float32Array.from(samples, (value) => (Number.isNaN(value) ? 0 : (value - middle) / most));
}

/** Begins to play; gives what ends it. `onEnd` is told when it is over. */
export function play(channels: readonly Float32Array[], frequency: number, onEnd: () => void): () => void {
  const context = new AudioContext();
  const length = Math.max(1, channels[0]?.length ?? 1);
  const buffer = context.createBuffer(Math.max(1, channels.length), length, frequency);
  channels.forEach((samples, at) => buffer.copyToChannel(levelled(samples), at));
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  const stop = (): void => {
    source.onended = null;
    void context.close();
  };
  source.onended = () => {
    stop();
    onEnd();
  };
  source.start();
  return stop;
}
