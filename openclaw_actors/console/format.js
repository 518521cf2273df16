/** Numbers, times and calls, in words. */

/** "0:07", "12:40", "1:02:03" of milliseconds. */
export function minutes(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const tail = String(seconds % 60).padStart(2, "0");
  const whole = Math.floor(seconds / 60);
  if (whole < 60) return `${whole}:${tail}`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}:${tail}`;
}

export function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

/** When it was, as briefly as it can be told: "14:05" today, else with the day. */
export function when(stamp, now = new Date()) {
  const date = new Date(stamp);
  const clock = CLOCK.format(date);
  return date.toDateString() === now.toDateString() ? clock : `${DAY.format(date)}, ${clock}`;
}

export function exactly(stamp) {
  return FULL.format(new Date(stamp));
}

/** Who is at the other end: a number as one reads it, a name, or where a browser is. */
export function party(call) {
  const outbound = call.direction === "outbound";
  const address = outbound ? call.to || (call.transport === "test" ? "Test line" : "") : call.from;
  const name = call.metadata?.name ?? call.metadata?.identity;
  if (typeof name === "string" && name) return name;
  if (address.startsWith("+")) return phoneNumber(address);
  if (call.transport === "webrtc" && /^[0-9a-f.:]+$/i.test(address)) return `Browser · ${address}`;
  return address || "Unknown caller";
}

/** "+1 555 010 0001": the parts of a number in E.164 are not known here, so it is cut into threes from behind. */
export function phoneNumber(e164) {
  const digits = e164.slice(1);
  if (digits.length < 8) return e164;
  const [last, middle, area] = [digits.slice(-4), digits.slice(-7, -4), digits.slice(-10, -7)];
  return `+${[digits.slice(0, -10), area, middle, last].filter(Boolean).join(" ")}`;
}

const STATUS = {
  queued: "Queued",
  initiated: "Dialling",
  ringing: "Ringing",
  "in-progress": "Live",
  completed: "Completed",
  busy: "Busy",
  "no-answer": "No answer",
  failed: "Failed",
  canceled: "Canceled",
};

export function statusWord(call) {
  if (call.status === "initiated" && call.direction === "inbound") return "Connecting";
  if (call.status === "in-progress" && call.held) return "On hold";
  return STATUS[call.status] ?? call.status;
}

/** Is it going on? */
export function isLive(call) {
  return ["queued", "initiated", "ringing", "in-progress"].includes(call.status);
}

const REASONS = {
  caller_hangup: "The caller hung up",
  agent_hangup: "The agent said goodbye",
  api_hangup: "Hung up from here",
  peer_closed: "The connection was closed",
  peer_failed: "The connection was lost",
  no_media: "Nothing was heard any more",
  silent_caller: "The caller said nothing",
  idle_timeout: "Nobody spoke for a while",
  max_duration: "The longest time was reached",
  host_restarted: "The host was started anew",
  node_lost: "The host was lost",
  internal_error: "A fault of the host",
  ring_timeout: "Nobody answered in time",
  no_answer: "Nobody answered",
  machine: "A machine answered",
  pin_refused: "The PIN was wrong",
  stage_failed: "A stage could not be restarted",
};

/** Why a call ended; of a reason with a detail ("stage_failed:tts"), both. */
export function reasonWord(reason) {
  const [kind, detail] = (reason ?? "").split(":");
  const words = REASONS[kind] ?? kind.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
  return detail ? `${words} (${detail.replaceAll("_", " ")})` : words;
}
