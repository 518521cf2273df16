/**
 * One call as it went, told by its events: who spoke when, what was restarted, how long each turn took. The same for a
 * call that runs and for one of last week.
 *
 * All times are seconds since the call's first event.
 */

import { STAGE_NAMES } from "../talk/stages.js";

const SAMPLE_RATE = 16_000;
/** Of speech in one second, where no event says when it began. */
const LETTERS_A_SECOND = 15;

export class Story {
  began = 0;
  ended = null;
  /** @type {{role: string, from: number, to: number|null, utterance?: number, turn?: number}[]} */
  speech = [];
  /** @type {{at: number, kind: string, text: string, tone: string}[]} */
  marks = [];
  /** @type {{from: number, to: number|null, kind: string}[]} */
  spans = [];
  /** @type {object[]} `call.turn.completed` data, in order */
  turns = [];
  #mediaAt = null;
  #lastAgentEnd = 0;

  /**
   * Take the next event.
   * @returns {{line?: object, note?: object}} what it adds to the transcript
   */
  take({ type, time, data }) {
    this.began ||= Date.parse(time);
    const at = (Date.parse(time) - this.began) / 1000;
    return this.#take[type]?.call(this, data, at) ?? {};
  }

  #take = {
    "call.media.connected": (_, at) => {
      this.#mediaAt ??= at;
      return {};
    },
    "call.answered": (_, at) => this.#mark(at, "answered", "Answered", "quiet"),
    "call.speech.started": ({ utterance }, at) => {
      this.#utterance(utterance, at);
      return {};
    },
    "call.transcript": (data, at) => (data.role === "user" ? this.#heard(data, at) : this.#spoken(data, at)),
    "call.turn.completed": (data, at) => {
      this.turns.push(data);
      this.speech.push({ role: "agent", turn: data.turn, from: at, to: null });
      return {};
    },
    "call.barge_in": ({ outcome }, at) =>
      this.#mark(
        at,
        "barge-in",
        outcome === "interrupted" ? "The caller interrupted" : "A cough, or a nod",
        "quiet",
        {
          silent: true,
        },
      ),
    "call.stage.restarted": ({ stage, downtime_ms: down, reason }, at) => {
      const took = down >= 1 ? `in ${Math.round(down)} ms` : "at once";
      return this.#mark(
        at,
        "restart",
        `${STAGE_NAMES[stage] ?? stage} restarted ${took} (${reason})`,
        "warn",
      );
    },
    "call.engine.switched": ({ stage, from, to }, at) =>
      this.#mark(at, "switch", `${STAGE_NAMES[stage] ?? stage}: ${to} instead of ${from}`, "warn"),
    "call.dtmf": ({ digits, direction }, at) =>
      this.#mark(
        at,
        "keys",
        `${direction === "in" ? "The caller pressed" : "Keys sent:"} ${digits}`,
        "quiet",
      ),
    "call.pin": ({ accepted, tries_left: left }, at) =>
      this.#mark(at, "keys", accepted ? "The PIN is right" : `The PIN is wrong; ${left} tries left`, "quiet"),
    "call.held": (_, at) => this.#open("hold", at, "On hold"),
    "call.resumed": (_, at) => this.#close("hold", at, "The hold has ended"),
    "call.muted": (_, at) => this.#open("mute", at, "The caller is muted"),
    "call.unmuted": (_, at) => this.#close("mute", at, "The caller is heard again"),
    "call.played": ({ name }, at) => this.#mark(at, "played", `A sound was played: ${name}`, "quiet"),
    "call.message": ({ text }, at) => this.#mark(at, "message", `A message was taken: ${text}`, "quiet"),
    "call.answered_by": ({ what }, at) =>
      this.#mark(at, "answered", `Answered by: ${what.replaceAll("_", " ")}`, "quiet"),
    "call.transfer_failed": ({ to, detail }, at) =>
      this.#mark(at, "transfer", `Not transferred to ${to}: ${detail}`, "warn"),
    "call.listener.joined": ({ listener }, at) =>
      this.#mark(at, "listener", `${listener} listens in`, "quiet"),
    "call.listener.left": ({ listener }, at) =>
      this.#mark(at, "listener", `${listener} has stopped listening`, "quiet"),
    "call.recording.started": (_, at) => this.#open("record", at, "Recording"),
    "call.recording.stopped": (_, at) => this.#close("record", at, "The recording has stopped"),
    "call.ended": (_, at) => {
      this.ended = at;
      for (const each of [...this.speech, ...this.spans]) each.to ??= at;
      return {};
    },
  };

  /** Seconds of the call so far. @param {number} now milliseconds of the epoch */
  length(now) {
    return this.ended ?? Math.max(0, (now - this.began) / 1000);
  }

  #mark(at, kind, text, tone, { silent = false } = {}) {
    this.marks.push({ at, kind, text, tone });
    return silent ? {} : { note: { text, tone, at } };
  }

  #open(kind, at, text) {
    this.spans.push({ kind, from: at, to: null });
    return { note: { text, tone: "quiet", at } };
  }

  #close(kind, at, text) {
    const open = this.spans.findLast((span) => span.kind === kind && span.to === null);
    if (open) open.to = at;
    return { note: { text, tone: "quiet", at } };
  }

  /** The stretch of the caller that began there; media time says it better than the event, which comes 64 ms later. */
  #utterance(utterance, at) {
    const isSpoken = typeof utterance === "number"; // a line that was written has none
    let found =
      isSpoken && this.speech.findLast((each) => each.role === "user" && each.utterance === utterance);
    if (!found) {
      const from = this.#mediaAt === null || !isSpoken ? at : this.#mediaAt + utterance / SAMPLE_RATE;
      found = { role: "user", utterance, from: Math.min(from, at), to: null };
      this.speech.push(found);
    }
    return found;
  }

  #heard(data, at) {
    const stretch = this.#utterance(data.utterance, at);
    if (data.final) stretch.to = at;
    return { line: { ...data, at: stretch.from } };
  }

  #spoken(data, at) {
    let voice = this.speech.findLast((each) => each.role === "agent" && each.turn === data.turn);
    const begun = voice && voice.to === null;
    const from = begun ? voice.from : Math.max(this.#lastAgentEnd, at - data.text.length / LETTERS_A_SECOND);
    if (!voice) {
      voice = { role: "agent", turn: data.turn, from, to: at };
      this.speech.push(voice);
    }
    voice.to = at;
    this.#lastAgentEnd = at;
    return { line: { ...data, at: from } };
  }
}
