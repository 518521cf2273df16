/**
 * VoiceCall: talk with an openclaw_actors host from your own page. No dependencies.
 *
 *   import { VoiceCall } from "https://host.example/client.js";
 *   const call = new VoiceCall({ url: "https://host.example", token: "…" });
 *   call.addEventListener("state", ({ detail }) => console.log(detail.state, detail.reason));
 *   call.addEventListener("event", ({ detail }) => console.log(detail.type, detail.data));
 *   button.onclick = () => call.start();      // from a click: browsers give sound and microphone to gestures only
 *
 * Events (all CustomEvents; look at `detail`)
 *   state  {state, reason, code}: idle, connecting, connected, reconnecting, ended, failed. For "failed" the reason
 *          is a sentence to show; for "ended" it is the host's code, or "local_hangup" or "closed_by_host".
 *   event  every event of the host: {id, type, time, call_id, sequence, data}.
 *   level  {input, output}: RMS of microphone and agent, 0 to 1, ten times a second while a call is up.
 *   error  {code, detail, status}: what went wrong, in a sentence; the call may well go on.
 *
 * The page's origin must be the host's own, or stand in its `[cors] allow_origins`.
 */

// One file on purpose: it is served under two paths, copied into other people's pages, and put behind path prefixes;
// an import beside it would break in each of these.

/** ICE says "disconnected" after a few lost checks and often heals by itself; longer than this, the caller hears it. */
const DISCONNECTED_GRACE_MS = 2000;
/** The host sends a packet every 20 ms, silence too: none for so long is a dead link. Chromium's ICE took 10 s to say so. */
const LINK_SILENT_MS = 3000;
const LINK_CHECK_MS = 500;
/** Pauses between redials; the last one repeats. Up to a fifth is added, or a restarted host gets all callers at once. */
const REDIAL_PAUSES_MS = [0, 500, 1000, 2000, 4000];
/** Redialling ends here: half of the 120 s for which the host honours a resume token. */
const REDIAL_FOR_MS = 60_000;
/** From offer to sound. Host candidates need 0.1 s; a far TURN server, seconds. */
const CONNECT_MS = 15_000;
/** Candidates found by then go into the offer; a STUN server that does not answer must not hold up the call. */
const GATHERING_MS = 1000;
const REQUEST_MS = 10_000;
const LEVEL_EVERY_MS = 100;
const OVER = new Set(["idle", "ended", "failed"]);
/** What the host answers when it no longer knows the call that a resume token names; a new call may still succeed. */
const RESUME_REFUSED = new Set([404, 409, 410, 422]);

export class VoiceCall extends EventTarget {
  /** Bearer token, sent as a header only. May be set between calls. */
  token;
  /** MediaTrackConstraints on top of echo cancellation, noise suppression and gain control. */
  audio;
  /** JSON kept with the call's record. */
  metadata;
  autoRedial;

  #url;
  #player;
  #state = "idle";
  #leg = null;
  #microphone = null;
  #meter = null;
  #muted = false;
  #resume = "";
  #attempt = new AbortController();
  #grace = 0;
  #pageEvents = null;

  /**
   * @param {object} [options]
   * @param {string} [options.url] the host, without a trailing slash; "" is the page's own origin
   * @param {string} [options.token] bearer token, where the host asks for one
   * @param {MediaTrackConstraints} [options.audio] e.g. {deviceId, echoCancellation: false}
   * @param {object} [options.metadata] kept with the call's record
   * @param {boolean} [options.autoRedial] call again, and go on, when the network changes or breaks
   * @param {HTMLAudioElement|null} [options.playTo] plays the agent; null: play `remoteStream` yourself
   */
  constructor({
    url = "",
    token = "",
    audio = {},
    metadata = {},
    autoRedial = true,
    playTo = new Audio(),
  } = {}) {
    super();
    this.#url = url.replace(/\/+$/, "");
    this.token = token;
    this.audio = audio;
    this.metadata = metadata;
    this.autoRedial = autoRedial;
    this.#player = playTo;
  }

  get state() {
    return this.#state;
  }
  get callId() {
    return this.#leg?.callId ?? "";
  }
  get muted() {
    return this.#muted;
  }
  /** The agent's sound, or null while there is none. @returns {MediaStream|null} */
  get remoteStream() {
    return this.#leg?.remoteStream ?? null;
  }

  /**
   * Ask for the microphone and call. Settles when the call is up, or was hung up meanwhile.
   * @throws {VoiceCallError} the same error the "failed" state tells
   */
  async start() {
    if (!OVER.has(this.#state)) throw new VoiceCallError("busy", "A call is already under way.");
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    this.#resume = "";
    this.#enter("connecting");
    this.#followPage();
    try {
      this.#meter = new Meter((levels) => this.#emit("level", levels));
      const stream = await openMicrophone(this.audio, signal);
      this.#take(stream);
      await this.#dial(signal);
    } catch (error) {
      if (signal.aborted) return;
      const known = VoiceCallError.from(error);
      this.#leg?.hangUp();
      this.#emit("error", known.toJSON());
      this.#finish("failed", known.message, known.code);
      throw known;
    }
  }

  /** End the call. Safe at any time. */
  hangUp() {
    if (OVER.has(this.#state)) return;
    this.#leg?.hangUp();
    this.#finish("ended", "local_hangup");
  }

  /** Send silence instead of the microphone, or stop doing so. It is kept over calls. */
  mute(on = true) {
    this.#muted = Boolean(on);
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !this.#muted;
    this.#leg?.send({ type: "mute", on: this.#muted });
  }

  /** Make the agent stop speaking now. @returns {boolean} whether it was sent */
  interrupt() {
    return this.#command({ type: "interrupt" });
  }

  /** Tell the agent something as if you had said it. @returns {boolean} whether it was sent */
  sendText(text) {
    return this.#command({ type: "text", text });
  }

  /** Let the agent speak this line, word for word. @returns {boolean} whether it was sent */
  say(text) {
    return this.#command({ type: "say", text });
  }

  /**
   * Use another microphone, at once if a call is up.
   * @param {string} deviceId from `navigator.mediaDevices.enumerateDevices()`; "" is the default one
   */
  async useMicrophone(deviceId) {
    this.audio = { ...this.audio, deviceId: deviceId || undefined };
    if (!this.#microphone) return;
    const { signal } = this.#attempt;
    const stream = await openMicrophone(this.audio, signal);
    this.#take(stream);
    await this.#leg?.replaceTrack(stream.getAudioTracks()[0]);
  }

  #command(command) {
    const sent = this.#leg?.send(command) ?? false;
    if (!sent) this.#complain("not_connected", "There is no call to send this to.");
    return sent;
  }

  #take(stream) {
    const before = this.#microphone;
    this.#microphone = stream;
    const [track] = stream.getAudioTracks();
    track.enabled = !this.#muted;
    // Unplugged: stop() does not fire "ended", so this is never our own doing.
    track.addEventListener("ended", () => this.#useDefaultMicrophone());
    this.#meter.input(stream);
    before?.getTracks().forEach((old) => old.stop());
  }

  #useDefaultMicrophone() {
    this.#complain("microphone_lost", "The microphone went away; using the default one.");
    this.useMicrophone("").catch((error) => this.#emit("error", VoiceCallError.from(error).toJSON()));
  }

  async #dial(signal) {
    const next = await Leg.prepare(this.#url, this.token, this.#microphone, signal, this.#leg);
    next.onMessage = (message) => this.#hear(next, message);
    next.onTrack = (stream) => this.#play(next, stream);
    next.onState = (state) => this.#watch(next, state);
    next.onChannelClosed = () => {
      // No "call.ended" came first, so it is no proper end: the call may have crashed, and its conversation is kept.
      if (next === this.#leg) this.#redial();
    };
    try {
      this.#resume = await next.call(this.metadata, this.#resume, signal);
    } catch (error) {
      next.close();
      throw error;
    }
    if (signal.aborted) {
      // The user hung up while the host answered: nothing of this call may stay.
      next.hangUp();
      next.close();
      throw new VoiceCallError("ended", "The call was hung up.");
    }
    // Only now: before the host has moved the call, closing the old leg would read as a hang-up.
    const old = this.#leg;
    this.#leg = next;
    old?.close();
    await next.connected(signal);
    if (this.#muted) next.send({ type: "mute", on: true });
    this.#enter("connected");
    this.#guard(next);
  }

  async #guard(leg) {
    let [heard, since] = [0, 0];
    while (leg === this.#leg && this.#state === "connected") {
      const packets = await leg.packetsReceived();
      const now = performance.now();
      if (packets !== heard) [heard, since] = [packets, now];
      else if (heard > 0 && now - since > LINK_SILENT_MS) this.#redial({ evenIfHealed: true });
      await new Promise((resolve) => setTimeout(resolve, LINK_CHECK_MS));
    }
  }

  #watch(leg, state) {
    if (leg !== this.#leg || this.#state !== "connected") return;
    clearTimeout(this.#grace);
    if (state === "failed") this.#redial();
    if (state === "disconnected") this.#grace = setTimeout(() => this.#redial(), DISCONNECTED_GRACE_MS);
  }

  /** The host keeps the conversation under the resume token; each answer brings the next token. */
  async #redial({ evenIfHealed = false } = {}) {
    if (this.#state !== "connected") return;
    clearTimeout(this.#grace);
    if (!this.autoRedial) {
      this.#finish("failed", "The connection was lost.", "connection_lost");
      return;
    }
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    this.#enter("reconnecting", "connection_lost");
    const deadline = performance.now() + REDIAL_FOR_MS;
    for (let tries = 0; performance.now() < deadline; tries += 1) {
      const pause = REDIAL_PAUSES_MS[Math.min(tries, REDIAL_PAUSES_MS.length - 1)];
      await this.#pause(pause * (1 + Math.random() / 5), signal);
      if (signal.aborted) return;
      if (!(evenIfHealed && tries === 0) && this.#leg.isConnected) {
        this.#enter("connected");
        return;
      }
      try {
        await this.#dial(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const known = VoiceCallError.from(error);
        if (this.#resume && RESUME_REFUSED.has(known.status)) {
          if (this.#leg.closedByHost) {
            this.#finish("ended", "closed_by_host");
            return;
          }
          this.#resume = ""; // the host was started anew: a new call, and the page keeps the transcript
          tries = -1;
        } else if (!known.mayPass) {
          this.#emit("error", known.toJSON());
          this.#finish("failed", known.message, known.code);
          return;
        }
      }
    }
    this.#finish(
      "failed",
      `The connection was lost and did not come back within ${REDIAL_FOR_MS / 1000} seconds.`,
      "connection_lost",
    );
  }

  /** Wait, but not after the network has come back or the call was hung up. */
  #pause(ms, signal) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        window.removeEventListener("online", done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      window.addEventListener("online", done);
      signal.addEventListener("abort", done);
    });
  }

  #hear(leg, message) {
    // While the call moves to a new leg, what the old one says of the end is about itself.
    if (leg !== this.#leg || OVER.has(this.#state)) return;
    if (message.type === "error") {
      this.#complain(message.data?.code ?? "error", message.data?.detail ?? "");
      return;
    }
    if (message.type === "call.ended" && this.#state === "reconnecting") return;
    this.#emit("event", message);
    if (message.type === "call.ended") this.#finish("ended", message.data?.reason ?? "");
  }

  async #play(leg, stream) {
    this.#meter?.output(stream);
    if (!this.#player) return;
    this.#player.srcObject = stream;
    try {
      await this.#player.play();
    } catch (error) {
      if (error.name !== "NotAllowedError") return; // AbortError: the call ended, or moved to its next leg
      this.#complain("playback_blocked", "The browser blocked the sound: tap the page.");
      window.addEventListener("pointerdown", () => this.#player.play().catch(() => {}), { once: true });
    }
  }

  /** What the page itself lives through: closing, and the network changing under it. */
  #followPage() {
    this.#pageEvents = new AbortController();
    const { signal } = this.#pageEvents;
    window.addEventListener("pagehide", () => this.hangUp(), { signal });
    window.addEventListener("online", () => this.#redial({ evenIfHealed: true }), { signal });
    // "change" also comes with each new estimate of the speed; only another kind of network moves our address.
    const network = navigator.connection;
    let kind = network?.type;
    network?.addEventListener?.(
      "change",
      () => {
        if (network.type === kind) return;
        kind = network.type;
        if (kind !== "none") this.#redial({ evenIfHealed: true });
      },
      { signal },
    );
  }

  #finish(state, reason = "", code = "") {
    this.#attempt.abort();
    clearTimeout(this.#grace);
    this.#pageEvents?.abort();
    this.#microphone?.getTracks().forEach((track) => track.stop());
    this.#microphone = null;
    this.#meter?.close();
    this.#meter = null;
    this.#leg?.close();
    this.#leg = null;
    this.#resume = "";
    if (this.#player) this.#player.srcObject = null;
    this.#enter(state, reason, code || reason);
  }

  #enter(state, reason = "", code = reason) {
    this.#state = state;
    this.#emit("state", { state, reason, code });
  }

  /** An error that does not end the call. */
  #complain(code, detail) {
    this.#emit("error", { code, detail, status: 0 });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** One connection of a call: peer connection, data channel, and the session's address. A redial makes a new one. */
class Leg {
  callId = "";
  remoteStream = null;
  /** The channel was closed from the other side: a network that breaks, or a host that is killed, cannot do that. */
  closedByHost = false;
  onMessage = () => {};
  onTrack = () => {};
  onState = () => {};
  onChannelClosed = () => {};

  #url;
  #token;
  #peer;
  #channel;
  #sender;
  #session = "";

  /**
   * Fetch the ICE servers and make an unconnected leg that will send this microphone. A caller who comes back
   * (`before`: the leg until now) may hold a join token that has expired meanwhile: its resume token is what counts
   * then, and the ICE servers of before will do.
   */
  static async prepare(url, token, microphone, signal, before) {
    const fetched = request(`${url}/webrtc/ice-servers`, { token, signal });
    const { body } = await fetched.catch((error) => {
      if (!before || error.status !== 401) throw error;
      return { body: { ice_servers: before.iceServers } };
    });
    return new Leg(url, token, microphone, body.ice_servers ?? []);
  }

  constructor(url, token, microphone, iceServers) {
    this.iceServers = iceServers;
    this.#url = url;
    this.#token = token;
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#sender = this.#peer.addTrack(microphone.getAudioTracks()[0], microphone);
    this.#channel = this.#peer.createDataChannel("events");
    this.#channel.onmessage = ({ data }) => this.onMessage(JSON.parse(data));
    this.#channel.onclose = () => {
      this.closedByHost = true;
      this.onChannelClosed();
    };
    this.#peer.onconnectionstatechange = () => this.onState(this.#peer.connectionState);
    this.#peer.ontrack = ({ track, streams }) => {
      this.remoteStream = streams[0] ?? new MediaStream([track]);
      this.onTrack(this.remoteStream);
    };
  }

  get isConnected() {
    return this.#peer.connectionState === "connected" && !this.closedByHost;
  }

  /** Offer, and take the answer. @returns {Promise<string>} the token that resumes this call */
  async call(metadata, resume, signal) {
    await this.#peer.setLocalDescription();
    await this.#gathered(signal);
    const { sdp } = this.#peer.localDescription;
    const offer = { type: "offer", sdp, metadata, ...(resume && { resume }) };
    const { response, body } = await request(`${this.#url}/webrtc/offer`, {
      method: "POST",
      token: this.#token,
      signal,
      json: offer,
    });
    // Another origin sees Location only where CORS exposes it; hanging up then goes through the channel.
    const location = response.headers.get("Location");
    this.#session = location ? new URL(location, response.url).href : "";
    this.callId = body.call_id;
    await this.#peer.setRemoteDescription({ type: "answer", sdp: body.sdp });
    return body.resume_token ?? "";
  }

  #gathered(signal) {
    if (this.#peer.iceGatheringState === "complete") return Promise.resolve();
    return new Promise((resolve) => {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(GATHERING_MS)]);
      enough.addEventListener("abort", resolve);
      this.#peer.addEventListener("icegatheringstatechange", () => {
        if (this.#peer.iceGatheringState === "complete") resolve();
      });
    });
  }

  /** Settles when sound can flow. */
  connected(signal) {
    if (this.isConnected) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const lost = () =>
        reject(
          new VoiceCallError(
            "no_media",
            "The host answered, but no sound gets through. " +
              "A firewall may block UDP: the host can open udp_port_range, or use a TURN server.",
          ),
        );
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
      if (limit.aborted) lost();
      limit.addEventListener("abort", lost);
      this.#peer.addEventListener("connectionstatechange", () => {
        if (this.isConnected) resolve();
        if (["failed", "closed"].includes(this.#peer.connectionState)) lost();
      });
    });
  }

  /** @returns {boolean} whether the channel is open, and so the command on its way */
  send(command) {
    if (this.#channel.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(command));
    return true;
  }

  async packetsReceived() {
    const stats = await this.#peer.getStats();
    return (
      [...stats.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "audio")
        ?.packetsReceived ?? 0
    );
  }

  replaceTrack(track) {
    return this.#sender.replaceTrack(track);
  }

  hangUp() {
    this.send({ type: "hangup" });
    if (!this.#session) return;
    // keepalive: the request outlives a page that is being closed. A 404 means that the call is over already.
    fetch(this.#session, { method: "DELETE", headers: authorization(this.#token), keepalive: true }).catch(
      () => {},
    );
    this.#session = "";
  }

  close() {
    this.#channel.onclose = null;
    this.#peer.onconnectionstatechange = null;
    this.#peer.ontrack = null;
    this.#peer.close();
  }
}

/** RMS of both sides of the call, a few times a second. */
class Meter {
  #context = new AudioContext();
  #sides = {};
  #timer;

  constructor(onLevels) {
    this.#timer = setInterval(
      () => onLevels({ input: this.#rms("input"), output: this.#rms("output") }),
      LEVEL_EVERY_MS,
    );
    this.#context.resume().catch(() => {}); // without a gesture it stays silent until one comes
  }

  input(stream) {
    this.#listen("input", stream);
  }
  output(stream) {
    this.#listen("output", stream);
  }

  #listen(side, stream) {
    this.#sides[side]?.source.disconnect();
    const source = this.#context.createMediaStreamSource(stream);
    const analyser = new AnalyserNode(this.#context, { fftSize: 2048 }); // 43 ms at 48 kHz
    source.connect(analyser);
    this.#sides[side] = { source, analyser, samples: new Float32Array(analyser.fftSize) };
  }

  #rms(side) {
    if (!this.#sides[side]) return 0;
    const { analyser, samples } = this.#sides[side];
    analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }

  close() {
    clearInterval(this.#timer);
    this.#context.close().catch(() => {});
  }
}

/** What a call can fail with: a stable `code`, a sentence for people, and the HTTP status where one came (else 0). */
export class VoiceCallError extends Error {
  constructor(code, detail, { status = 0, mayPass = code === "no_media" } = {}) {
    super(detail);
    this.name = "VoiceCallError";
    this.code = code;
    this.status = status;
    /** Whether dialling again may help. */
    this.mayPass = mayPass;
  }

  static from(error) {
    return error instanceof VoiceCallError
      ? error
      : new VoiceCallError("failed", String(error?.message ?? error));
  }

  toJSON() {
    return { code: this.code, detail: this.message, status: this.status };
  }
}

const MICROPHONE_ERRORS = {
  NotAllowedError: [
    "microphone_refused",
    "The microphone was refused. Allow it for this page in the address bar, then call again.",
  ],
  NotFoundError: ["no_microphone", "No microphone was found. Connect one, then call again."],
  NotReadableError: ["microphone_busy", "The microphone can't be opened: another program may hold it."],
};

/** @throws {VoiceCallError} with words for people */
async function openMicrophone({ deviceId, ...constraints }, signal) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new VoiceCallError(
      "insecure_origin",
      "Browsers give the microphone to secure pages only. Open this page over " +
        "https (start the host with: serve --tls self-signed), or as http://localhost on the host's own machine.",
    );
  }
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...constraints };
  if (deviceId) audio.deviceId = typeof deviceId === "string" ? { exact: deviceId } : deviceId;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    if (signal.aborted) stream.getTracks().forEach((track) => track.stop());
    signal.throwIfAborted();
    return stream;
  } catch (error) {
    if (signal.aborted) throw error;
    // The device that was chosen is no longer there.
    if (deviceId && error.name === "OverconstrainedError") return openMicrophone(constraints, signal);
    const [code, detail] = MICROPHONE_ERRORS[error.name] ?? [
      "microphone_failed",
      `The microphone failed: ${error.message}`,
    ];
    throw new VoiceCallError(code, detail);
  }
}

function authorization(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** One bounded JSON request. @throws {VoiceCallError} with the problem's own words (RFC 9457) where it has any */
async function request(url, { method = "GET", token, json, signal }) {
  const headers = {
    Accept: "application/json",
    ...authorization(token),
    ...(json && { "Content-Type": "application/json" }),
  };
  let response;
  let body;
  try {
    response = await fetch(url, {
      method,
      headers,
      cache: "no-store",
      body: json && JSON.stringify(json),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    });
    body = await response.json().catch(() => ({}));
  } catch {
    throw new VoiceCallError("unreachable", "The host can't be reached. Is it running?", { mayPass: true });
  }
  if (response.ok) return { response, body };
  const detail = body.detail || body.title || `The host answered with status ${response.status}.`;
  const mayPass = response.status >= 500 || response.status === 429 || response.status === 408;
  throw new VoiceCallError(body.code || `http_${response.status}`, detail, {
    status: response.status,
    mayPass,
  });
}
