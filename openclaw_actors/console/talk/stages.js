/** The five chips: what each stage of the call is doing, with which engine, and how often it was restarted. */

import { element, icon } from "../dom.js";

export const STAGE_NAMES = {
  transport: "Transport",
  turns: "Turns",
  stt: "Hearing",
  agent: "Agent",
  tts: "Voice",
};

const STATE_WORDS = { idle: "Idle", ready: "Ready", working: "Working", down: "Restarting" };
const WORKING_WORDS = {
  transport: "Sending",
  turns: "Following",
  stt: "Listening",
  agent: "Thinking",
  tts: "Speaking",
};

export class Stages {
  #chips = new Map();
  #working = new Set();

  /** @param {HTMLElement} list holds one child with `data-stage` for each stage */
  constructor(list) {
    for (const chip of list.children) {
      const face = element("div", "stage-icon");
      face.append(icon(chip.dataset.stage));
      const state = element("span", "stage-state", STATE_WORDS.idle);
      const engine = element("span", "stage-engine");
      const restarts = element("span", "stage-restarts");
      restarts.hidden = true;
      chip.append(
        face,
        element("span", "stage-name", STAGE_NAMES[chip.dataset.stage]),
        state,
        engine,
        restarts,
      );
      chip.addEventListener("animationend", ({ animationName }) => {
        if (animationName === "flash") chip.classList.remove("restarted");
      });
      this.#chips.set(chip.dataset.stage, { chip, state, engine, restarts, count: 0, told: "idle" });
    }
  }

  /** A new call: nobody has restarted yet. */
  reset() {
    for (const [stage, parts] of this.#chips) {
      this.#count(parts, 0);
      parts.chip.classList.remove("restarted");
      this.#show(stage, { state: "idle" });
    }
  }

  /** What the conversation keeps busy now, as far as a listener can tell. @param {Iterable<string>} stages */
  working(stages) {
    this.#working = new Set(stages);
    for (const stage of this.#chips.keys()) this.#show(stage, {});
  }

  /** `call.stages`: {stage: {state, engine, restarts}}; stages that it leaves out stay as they are. */
  update(stages = {}) {
    for (const [stage, shown] of Object.entries(stages)) this.#show(stage, shown);
  }

  /** `call.stage.restarted` */
  restarted({ stage, reason = "" }) {
    const parts = this.#chips.get(stage);
    if (!parts) return;
    this.#count(parts, parts.count + 1, reason);
    parts.chip.classList.remove("restarted");
    parts.chip.getBoundingClientRect(); // or the browser merges both changes and the flash does not begin anew
    parts.chip.classList.add("restarted");
  }

  /** The engines that would serve a call now, while there is none. */
  engines(names) {
    for (const [stage, engine] of Object.entries(names)) this.#show(stage, { engine });
  }

  #count(parts, count, reason = "") {
    parts.count = count;
    parts.restarts.hidden = count === 0;
    parts.restarts.textContent = `×${count}`;
    parts.restarts.title = `Restarted ${count} time${count > 1 ? "s" : ""}${reason && `; last: ${reason}`}`;
  }

  #show(stage, { state, engine, restarts }) {
    const parts = this.#chips.get(stage);
    if (!parts) return;
    parts.told = state ?? parts.told;
    const shown = parts.told === "ready" && this.#working.has(stage) ? "working" : parts.told;
    if (shown !== parts.chip.dataset.state || state) {
      parts.chip.dataset.state = shown;
      parts.state.textContent = (shown === "working" && WORKING_WORDS[stage]) || STATE_WORDS[shown] || shown;
    }
    if (restarts > parts.count) this.#count(parts, restarts);
    if (engine !== undefined) parts.engine.textContent = parts.engine.title = engine ?? "";
  }
}
