/** The calls that run now: a list from the host, kept true by its events. */

import { isLive } from "../format.js";
import { follow } from "./sse.js";

/** How long a call stays in the list after its end: whoever looks at it sees what became of it. */
const LINGERS_MS = 6000;
const PAGE = 200;

/** What an event changes of a call. */
const CHANGES = {
  "call.queued": (call, data) => Object.assign(call, beginning(data), { status: "queued" }),
  "call.initiated": (call, data) => Object.assign(call, beginning(data), { status: "initiated" }),
  "call.ringing": (call) => Object.assign(call, { status: "ringing" }),
  "call.answered": (call, _, time) => Object.assign(call, { status: "in-progress", answered_at: time }),
  "call.stages": (call, { stages }) => Object.assign(call, { stages: { ...call.stages, ...stages } }),
  "call.muted": (call) => Object.assign(call, { muted: true }),
  "call.unmuted": (call) => Object.assign(call, { muted: false }),
  "call.held": (call) => Object.assign(call, { held: true }),
  "call.resumed": (call) => Object.assign(call, { held: false }),
  "call.listener.joined": (call, { listeners }) => Object.assign(call, { listeners }),
  "call.listener.left": (call, { listeners }) => Object.assign(call, { listeners }),
  "call.engine.switched": (call, { stage, to }) =>
    Object.assign(call, { engines: { ...call.engines, [stage]: to } }),
  "call.stage.restarted": (call, { stage }) => {
    call.restarts = { ...call.restarts, [stage]: (call.restarts?.[stage] ?? 0) + 1 };
  },
  "call.transcript": (call, { role, text, final }) => {
    if (text) call.last = { role, text, final };
  },
  "call.turn.completed": (call, { latency }) => {
    call.latency = { ...call.latency, last_ms: latency.total_ms };
  },
  "call.recording.started": (call) => Object.assign(call, { recording: true }),
  "call.recording.stopped": (call) => Object.assign(call, { recording: false }),
  "call.ended": (call, { status, reason }, time) =>
    Object.assign(call, { status, end_reason: reason, ended_at: time }),
};

/** Take an event into a call's record. @returns {boolean} whether it changes anything that a record shows */
export function change(call, { type, data, time }) {
  CHANGES[type]?.(call, data, time);
  return type in CHANGES;
}

function beginning({ transport, direction, from, to, engines, metadata }) {
  return { transport, direction, from, to, engines, metadata };
}

/** A call of which nothing is known yet. */
export function newCall(id, time) {
  return {
    id,
    status: "initiated",
    started_at: time,
    restarts: {},
    latency: {},
    engines: {},
    from: "",
    to: "",
  };
}

export class LiveCalls extends EventTarget {
  /** "loading", "live", "lost" (on its way back), or "refused". */
  state = "loading";
  error = null;
  #api;
  #calls = new Map();
  #over = new Set();
  #changed = new Set();
  #frame = 0;
  #stop = null;

  constructor(api) {
    super();
    this.#api = api;
  }

  get running() {
    return this.#stop !== null;
  }

  /** Newest first. */
  get all() {
    return [...this.#calls.values()].sort((one, other) => (one.id < other.id ? 1 : -1));
  }

  get count() {
    return [...this.#calls.values()].filter(isLive).length;
  }

  get(id) {
    return this.#calls.get(id);
  }

  /** Begin to follow; does nothing if it does already. */
  async start() {
    if (this.#stop) return;
    const stop = (this.#stop = new AbortController());
    const on = { event: (event) => this.#hear(event), state: (state) => this.#connection(state) };
    try {
      await follow(this.#api, "/v1/events", on, stop.signal);
    } catch (error) {
      this.#stop = null;
      this.#enter("refused", error);
    }
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#calls.clear();
    this.#enter("loading");
  }

  #enter(state, error = null) {
    this.state = state;
    this.error = error;
    this.#tell();
  }

  async #connection(state) {
    if (state === "lost") return this.#enter("lost");
    // The stream is open before the list is read, so that nothing falls between the two.
    try {
      await this.#load();
      this.#enter("live");
    } catch (error) {
      this.#enter("refused", error);
    }
  }

  async #load() {
    const found = [];
    for (let cursor = ""; cursor !== null;) {
      const page = await this.#api.get(`/v1/calls?live=true&limit=${PAGE}${cursor && `&cursor=${cursor}`}`);
      found.push(...page.calls);
      cursor = page.next;
    }
    const ids = new Set(found.map(({ id }) => id));
    for (const [id, call] of this.#calls) if (isLive(call) && !ids.has(id)) this.#calls.delete(id);
    for (const call of found) {
      if (this.#over.has(call.id)) continue;
      this.#calls.set(call.id, { ...this.#calls.get(call.id), ...call });
      this.#changed.add(call.id);
    }
  }

  #hear({ type, time, call_id: id, data }) {
    this.dispatchEvent(new CustomEvent("event", { detail: { type, time, call_id: id, data } }));
    if (!id || this.#over.has(id)) return;
    const call = this.#calls.get(id) ?? newCall(id, time);
    if (!change(call, { type, data, time })) return;
    this.#calls.set(id, call);
    this.#changed.add(id);
    if (type === "call.ended") this.#end(id);
    this.#tell();
  }

  #end(id) {
    this.#over.add(id);
    setTimeout(() => {
      this.#calls.delete(id);
      this.#tell();
    }, LINGERS_MS);
  }

  /** Once a frame, however many events came: with 200 calls they are hundreds a second. */
  #tell() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const changed = this.#changed;
      this.#changed = new Set();
      this.dispatchEvent(new CustomEvent("change", { detail: { changed } }));
    });
  }
}
