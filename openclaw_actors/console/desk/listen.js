/**
 * Listening in: plays `GET /v1/calls/{id}/listen` as it comes, stereo mu-law, the caller left and the agent right.
 *
 * Each piece becomes a buffer that begins where the one before ends. AudioWorklets would need a secure context, which a
 * desk on the local network may not be.
 */

const RATE = 16_000;
const HEADER_BYTES = 46;
/** How far ahead of the loudspeaker a piece is given to it: more than the network's jitter, less than one notices. */
const LEAD_S = 0.25;
/** Further ahead than that the sound would be late for good: what came in a burst is thrown away. */
const MOST_AHEAD_S = 1.2;
const LEVELS_MS = 100;

const SAMPLES = Float32Array.from({ length: 256 }, (_, code) => {
  const inverted = ~code & 0xff;
  const magnitude = ((((inverted & 0x0f) << 3) + 132) << ((inverted & 0x70) >> 4)) - 132;
  return (inverted & 0x80 ? -magnitude : magnitude) / 32_768;
});

export class ListeningIn extends EventTarget {
  /** @type {"off"|"connecting"|"on"} */
  state = "off";
  #api;
  #stop = null;
  #context = null;
  #input = null;
  #meters = [];
  #next = 0;

  constructor(api) {
    super();
    this.#api = api;
  }

  /** Begin; from a click, as browsers give sound to gestures only. Settles when it is over. @throws {ApiError} */
  async start(callId) {
    this.stop();
    const stop = (this.#stop = new AbortController());
    this.#enter("connecting");
    this.#openSound();
    try {
      const response = await this.#api.open(`/v1/calls/${encodeURIComponent(callId)}/listen`, {
        signal: stop.signal,
      });
      this.#enter("on");
      await this.#play(response.body.getReader(), stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      if (this.#stop === stop) this.stop();
    }
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#context?.close().catch(() => {});
    this.#context = null;
    this.#enter("off");
  }

  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state } }));
  }

  #openSound() {
    const context = (this.#context = new AudioContext());
    context.resume().catch(() => {});
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    // A little of each side in both ears: a voice in one ear alone tires.
    const left = new StereoPannerNode(context, { pan: -0.35 });
    const right = new StereoPannerNode(context, { pan: 0.35 });
    this.#meters = [left, right].map((side, number) => {
      const meter = new AnalyserNode(context, { fftSize: 1024 });
      splitter.connect(meter, number);
      meter.connect(side).connect(context.destination);
      return { meter, samples: new Float32Array(meter.fftSize) };
    });
    this.#input = splitter;
    this.#next = 0;
    const timer = setInterval(() => {
      if (this.#context !== context) clearInterval(timer);
      else this.dispatchEvent(new CustomEvent("level", { detail: this.levels() }));
    }, LEVELS_MS);
  }

  /** RMS of both sides now, 0 to 1. */
  levels() {
    const [caller, agent] = this.#meters.map(({ meter, samples }) => {
      meter.getFloatTimeDomainData(samples);
      return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    });
    return { caller, agent };
  }

  async #play(reader, signal) {
    let skip = HEADER_BYTES;
    let rest = new Uint8Array();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      const bytes = new Uint8Array(rest.length + value.length);
      bytes.set(rest);
      bytes.set(value, rest.length);
      const start = Math.min(skip, bytes.length);
      skip -= start;
      const end = bytes.length - ((bytes.length - start) % 2);
      if (end > start) this.#schedule(bytes.subarray(start, end));
      rest = bytes.slice(end);
    }
  }

  #schedule(codes) {
    const context = this.#context;
    const buffer = new AudioBuffer({ numberOfChannels: 2, length: codes.length / 2, sampleRate: RATE });
    for (const channel of [0, 1]) {
      const out = buffer.getChannelData(channel);
      for (let at = 0; at < out.length; at += 1) out[at] = SAMPLES[codes[2 * at + channel]];
    }
    const now = context.currentTime;
    if (this.#next < now) this.#next = now + LEAD_S;
    if (this.#next > now + MOST_AHEAD_S) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(this.#input);
    source.start(this.#next);
    this.#next += buffer.duration;
  }
}
