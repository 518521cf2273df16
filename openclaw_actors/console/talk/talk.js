/** One's own call: ties VoiceCall to its view. What is said, heard and measured is drawn by the modules beside it. */

import { VoiceCall } from "../client.js";
import { element } from "../dom.js";
import { minutes } from "../format.js";
import { Latency } from "./latency.js";
import { Orb, loudness } from "./orb.js";
import { STAGE_NAMES, Stages } from "./stages.js";
import { Transcript } from "./transcript.js";

const TOKEN_KEY = "openclaw-actors-token";
/** The agent is speaking while its sound is above this: -46 dB, over comfort noise and under the softest voice. */
const AUDIBLE = 0.005;
/** A cough opens an utterance that nobody closes: after this much quiet the caller is not speaking any more. */
const QUIET_MS = 2500;
const LIVE = new Set(["connecting", "connected", "reconnecting"]);
const HEADLINES = {
  idle: "Ready when you are",
  connecting: "Calling…",
  reconnecting: "Calling again…",
  ended: "Call ended",
  failed: "Call failed",
};
const ENDINGS = {
  local_hangup: "You hung up.",
  caller_hangup: "You hung up.",
  api_hangup: "The host hung up.",
  agent_hangup: "The agent said goodbye.",
  closed_by_host: "The host closed the call.",
  peer_closed: "The connection was closed.",
  peer_failed: "The connection was lost.",
  idle_timeout: "Nobody spoke for a while.",
  silent_caller: "Nothing was heard of you.",
  max_duration: "The call reached its longest time.",
  no_media: "The host heard nothing any more.",
  internal_error: "The host had a fault.",
  shutdown: "The host is shutting down.",
  stage_failed: "A part of the host could not be restarted:",
};

const at = (id) => document.getElementById(id);
const button = at("call-button");
const muteButton = at("mute-button");
const microphones = at("mic-select");
const host = new URL(".", location.href).href.replace(/\/$/, "");

const call = new VoiceCall({
  url: host,
  token: sessionStorage.getItem(TOKEN_KEY) ?? "",
  playTo: at("remote-audio"),
  metadata: { client: "console" },
});
window.openclawCall = call;

const transcript = new Transcript(at("transcript"));
const stages = new Stages(at("stages"));
const latency = new Latency(at("latency"), at("latency-summary"), at("latency-blank"));
const orb = new Orb(at("orb"));
let serving = {};
let startedAt = 0;
let clock = 0;
let activity = "listening";
let loudAt = 0;

/** For the desk around it. */
export const talk = {
  /** Told when a call is over: an engine may have failed in it. */
  onOver: () => {},
  get isLive() {
    return LIVE.has(call.state);
  },
  /** Call, unless a call is up. */
  begin() {
    if (!this.isLive) toggleCall();
  },
  /** Which engines would serve a call now. @param {{serving: Object<string, string>}} readiness */
  ready(readiness) {
    serving = readiness.serving;
    if (!this.isLive) stages.engines(serving);
  },
};

// --- The call's state ----------------------------------------------------------------------------------------

function status(text, tone = "") {
  at("status").textContent = text;
  at("status").dataset.tone = tone;
}

function headline(text) {
  if (at("activity").textContent !== text) at("activity").textContent = text;
}

const ENTER = {
  connecting() {
    transcript.clear();
    stages.reset();
    latency.reset();
    status("Allow the microphone if your browser asks.");
  },
  connected() {
    if (startedAt) transcript.note("The connection is back");
    else startedAt = performance.now();
    at("token-form").hidden = true;
    listMicrophones();
    tick();
    status("Connected. Speak whenever you like.");
  },
  reconnecting() {
    transcript.note("The connection was lost; calling again", "warn");
    status("The network changed or broke. The conversation is kept.");
  },
  ended(reason) {
    const lasted = startedAt ? ` It lasted ${minutes(performance.now() - startedAt)}.` : "";
    const [kind, stage] = reason.split(":");
    const part = stage ? ` ${STAGE_NAMES[stage] ?? stage}.` : "";
    status(`${ENDINGS[kind] ?? `The call ended: ${kind.replaceAll("_", " ")}.`}${part}${lasted}`);
    over();
  },
  failed(reason) {
    status(reason, "bad");
    over();
  },
};

function over() {
  startedAt = 0;
  clearTimeout(clock);
  at("timer").hidden = true;
  transcript.close();
  stages.reset();
  stages.engines(serving);
  meter("mic-level", 0);
  meter("speaker-level", 0);
  talk.onOver();
}

call.addEventListener("state", ({ detail: { state, reason } }) => {
  const live = talk.isLive;
  document.body.dataset.call = live ? "live" : "idle";
  button.dataset.state = state;
  button.querySelector(".label").textContent = live ? "Hang up" : state === "idle" ? "Call" : "Call again";
  orb.live = live;
  activity = "listening";
  stages.working([]);
  headline(HEADLINES[state] ?? "Listening");
  ENTER[state]?.(reason);
  for (const control of [muteButton, at("interrupt-button"), ...at("text-form").elements])
    control.disabled = state !== "connected";
});

call.addEventListener("error", ({ detail }) => {
  if (detail.status === 401) askForToken();
  if (call.state === "connected") transcript.note(detail.detail, "warn"); // an error that ends the call is in its state
});

function askForToken() {
  sessionStorage.removeItem(TOKEN_KEY);
  at("token-form").hidden = false;
  at("token-input").focus();
}

async function toggleCall() {
  if (talk.isLive) {
    call.hangUp();
    return;
  }
  call.token = sessionStorage.getItem(TOKEN_KEY) ?? call.token; // the desk may have been signed in meanwhile
  await call.start().catch(() => {}); // told by the "failed" state
}

function tick() {
  clearTimeout(clock);
  at("timer").hidden = false;
  at("timer").textContent = minutes(performance.now() - startedAt);
  clock = setTimeout(tick, 1000);
}

// --- What the host tells -------------------------------------------------------------------------------------

const ON = {
  "call.speech.started": () => {
    activity = "hearing";
    loudAt = performance.now();
  },
  "call.transcript": (data) => {
    transcript.add(data);
    if (data.role === "user" && data.final !== false) activity = "thinking";
  },
  "call.turn.completed": (data) => latency.add(data),
  "call.stages": ({ stages: shown }) => stages.update(shown),
  "call.stage.restarted": (data) => {
    stages.restarted(data);
    const took = data.downtime_ms >= 1 ? `in ${Math.round(data.downtime_ms)} ms` : "at once";
    transcript.note(`${STAGE_NAMES[data.stage] ?? data.stage} restarted ${took}`, "warn");
  },
  "call.engine.switched": (data) => {
    stages.engines({ [data.stage]: data.to });
    transcript.note(`${STAGE_NAMES[data.stage] ?? data.stage}: ${data.to} instead of ${data.from}`, "warn");
  },
};

call.addEventListener("event", ({ detail: { type, data } }) => ON[type]?.(data ?? {}));

call.addEventListener("level", ({ detail: { input, output } }) => {
  const [you, agent] = [loudness(input), loudness(output)];
  meter("mic-level", you);
  meter("speaker-level", agent);
  orb.levels({ input: you, output: agent });
  if (call.state === "connected") follow(you > 0.1, output > AUDIBLE);
});

/** Who is at it, by what both sides sound like; the host's events say the rest. */
function follow(youSound, agentSounds) {
  const now = performance.now();
  if (youSound) loudAt = now;
  if (activity === "hearing" && now - loudAt > QUIET_MS) activity = "listening";
  if (activity === "thinking" && agentSounds) activity = "listening";
  const busy = { hearing: ["turns", "stt"], thinking: ["agent"] }[activity] ?? [];
  stages.working(agentSounds ? [...busy, "tts", "transport"] : busy);
  if (agentSounds) headline("Agent speaking");
  else if (call.muted) headline("You are muted");
  else headline({ hearing: "You are speaking", thinking: "Thinking…" }[activity] ?? "Listening");
}

function meter(id, level) {
  const box = at(id);
  const percent = Math.round(level * 100);
  if (box.getAttribute("aria-valuenow") === String(percent)) return;
  box.setAttribute("aria-valuenow", percent);
  box.style.setProperty("--level", level.toFixed(2));
}

// --- What the caller does ------------------------------------------------------------------------------------

function toggleMute() {
  call.mute(!call.muted);
  muteButton.setAttribute("aria-pressed", call.muted);
}

button.addEventListener("click", toggleCall);
muteButton.addEventListener("click", toggleMute);
at("interrupt-button").addEventListener("click", () => call.interrupt());

at("text-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text-input").value.trim();
  if (!text || !call.sendText(text)) return;
  transcript.typed(text);
  at("text-input").value = "";
});

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  call.token = at("token-input").value.trim();
  sessionStorage.setItem(TOKEN_KEY, call.token);
  at("token-input").value = "";
  at("token-form").hidden = true;
  button.focus();
  toggleCall();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea"))
    return;
  if (at("talk").hidden) return;
  if (event.key.toLowerCase() === "m" && !muteButton.disabled) toggleMute();
  if (event.key === "Escape" && LIVE.has(call.state)) call.hangUp();
});

// --- Microphones ---------------------------------------------------------------------------------------------

/** Names are told only after the microphone was allowed once; until then there is but the default one. */
async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const known = devices.filter(
    ({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "default",
  );
  const chosen = microphones.value;
  microphones.replaceChildren(
    ...[{ deviceId: "", label: "Default microphone" }, ...known].map(({ deviceId, label }) => {
      const option = element("option", "", label || "Microphone");
      option.value = deviceId;
      return option;
    }),
  );
  microphones.value = known.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
}

microphones.addEventListener("change", () => {
  call.useMicrophone(microphones.value).catch((error) => status(error.message, "bad"));
});
navigator.mediaDevices?.addEventListener("devicechange", listMicrophones);

listMicrophones();
