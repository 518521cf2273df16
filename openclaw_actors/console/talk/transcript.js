/** The live transcript: one bubble for each utterance of the caller and for each turn of the agent. */

import { element } from "../dom.js";

/** So near to its end, the log follows what is said; a reader who scrolled up is left alone. */
const FOLLOW_PX = 80;

export class Transcript {
  #log;
  #who;
  #hearing = null;
  #place = {};

  /**
   * @param {HTMLElement} log an element with role="log"
   * @param {{user: string, agent: string}} who what the sides are called
   */
  constructor(log, who = { user: "You", agent: "Agent" }) {
    this.#log = log;
    this.#who = who;
  }

  clear() {
    this.#hearing = null;
    this.#log.replaceChildren();
  }

  /**
   * `call.transcript`: {role, text, final, turn, cut}
   * @param {{at?: number, time?: string}} place when it was said: seconds of the call, and as it is shown
   */
  add({ role, text = "", final = true, turn, cut = false }, place = {}) {
    this.#place = place;
    if (role === "agent") this.#agent(text, final, turn, cut);
    else if (final) this.#heard(text);
    else this.#hear(text);
  }

  /** What the caller wrote; it stays pale until the host says that it arrived. */
  typed(text) {
    const line = this.#line("user", "false");
    line.dataset.typed = "true";
    line.querySelector(".text").textContent = text;
    this.#append(line);
  }

  /** A remark about the call itself. @param {"quiet"|"warn"} tone */
  note(text, tone = "quiet") {
    const note = element("p", "event-note", text);
    note.dataset.tone = tone;
    this.#append(note);
  }

  /** Playback is here (seconds of the call; null: nowhere): mark the line that sounds, and keep it in sight. */
  sounding(seconds) {
    const lines = seconds === null ? [] : [...this.#log.querySelectorAll(".line[data-at]")];
    const now = lines.findLast(({ dataset }) => Number(dataset.at) <= seconds + 0.05);
    const before = this.#log.querySelector(".line[data-now]");
    if (now === before) return;
    before?.removeAttribute("data-now");
    now?.setAttribute("data-now", "true");
    now?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  /** The call is over: nothing that is still open will be completed. */
  close() {
    this.#hearing?.removeAttribute("aria-hidden");
    this.#hearing = null;
    for (const line of this.#log.querySelectorAll('.line[data-final="false"]')) line.dataset.final = "true";
  }

  #hear(text) {
    if (!text) return;
    if (!this.#hearing) {
      this.#hearing = this.#line("user", "false");
      this.#hearing.setAttribute("aria-hidden", "true"); // read out once, when it is final
      this.#append(this.#hearing);
    }
    this.#hearing.querySelector(".text").textContent = text;
    this.#follow();
  }

  #heard(text) {
    const open = this.#typedLine(text) ?? this.#hearing;
    if (open === this.#hearing) this.#hearing = null;
    if (!text) {
      open?.remove();
      return;
    }
    const line = this.#line("user", "true");
    line.querySelector(".text").textContent = text;
    // A new element, not a changed one: that is what a screen reader announces in a log.
    if (open) this.#keepPlace(() => open.replaceWith(line));
    else this.#append(line);
  }

  #typedLine(text) {
    const typed = this.#log.querySelectorAll('.line[data-typed][data-final="false"]');
    return [...typed].find((line) => line.querySelector(".text").textContent === text);
  }

  /** Phrases come as they are spoken, and belong to their turn even when the caller spoke in between. */
  #agent(text, final, turn, cut) {
    let line = this.#agentLine(turn);
    if (!line) {
      if (!text) return;
      line = this.#line("agent", "false");
      if (turn !== undefined) line.dataset.turn = turn;
      this.#append(line);
    }
    const box = line.querySelector(".text");
    // A span for each phrase: a screen reader announces what is added, and only that.
    if (text) this.#keepPlace(() => box.append(element("span", "", box.textContent ? ` ${text}` : text)));
    line.dataset.final = String(final || cut);
    if (cut) line.dataset.cut = "true";
    this.#follow();
  }

  #agentLine(turn) {
    if (turn !== undefined)
      return this.#log.querySelector(`.line[data-role="agent"][data-turn="${CSS.escape(turn)}"]`);
    const last = [...this.#log.querySelectorAll(".line")].at(-1);
    return last?.dataset.role === "agent" && last.dataset.final === "false" ? last : null;
  }

  #line(role, final) {
    const line = element("div", "line");
    line.dataset.role = role;
    line.dataset.final = final;
    line.dataset.who = this.#who[role]; // shown by the style sheet: the words stay pure for who copies them
    if (this.#place.at !== undefined) line.dataset.at = this.#place.at;
    if (this.#place.time) line.dataset.time = this.#place.time;
    line.append(element("span", "text"));
    return line;
  }

  #append(child) {
    this.#keepPlace(() => this.#log.append(child));
  }

  #keepPlace(change) {
    const follows = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < FOLLOW_PX;
    change();
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #follow() {
    this.#keepPlace(() => {});
  }
}
