/** Which engine serves each stage, and why the better ones do not: the host's `GET /readyz`, asked every 5 s. */

import { element, icon } from "../dom.js";
import { STAGE_NAMES } from "./stages.js";

const EVERY_MS = 5000;
/** A download is watched closer. */
const EVERY_WHILE_COMING_MS = 1500;
const COMING = new Set(["downloading", "probing"]);

export class Engines {
  #boxes;
  #url;
  #token;
  #onReadiness;
  #timer = 0;
  #shown = "";

  /**
   * @param {HTMLElement[]} boxes each is filled with one group for each kind of engine
   * @param {string} url the host, without a trailing slash
   * @param {() => string} token who asks: why an engine does not serve is not for everybody
   * @param {(readiness: {state: string, text: string, serving: Object<string, string>}) => void} onReadiness
   */
  constructor(boxes, url, token, onReadiness) {
    this.#boxes = boxes;
    this.#url = url;
    this.#token = token;
    this.#onReadiness = onReadiness;
    document.addEventListener("visibilitychange", () => this.watch());
  }

  /** Ask now, and again and again while the page is visible. */
  async watch() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    let coming = false;
    try {
      coming = await this.#ask();
    } finally {
      clearTimeout(this.#timer); // another watch may have begun meanwhile
      this.#timer = setTimeout(() => this.watch(), coming ? EVERY_WHILE_COMING_MS : EVERY_MS);
    }
  }

  async #ask() {
    let body;
    try {
      // 503 carries the same body: not ready yet, or draining.
      const response = await fetch(`${this.#url}/readyz`, {
        cache: "no-store",
        headers: this.#token() ? { Authorization: `Bearer ${this.#token()}` } : {},
        signal: AbortSignal.timeout(EVERY_MS),
      });
      body = await response.json();
    } catch {
      this.#onReadiness({ state: "down", text: "Host not reachable", serving: {} });
      return false;
    }
    const stages = body.engines ?? {};
    this.#show(stages);
    const serving = Object.fromEntries(
      Object.entries(stages).map(([stage, told]) => [stage, told.serving ?? ""]),
    );
    // Not ready although every stage is served: the host is on its way out.
    const waiting = Object.values(serving).every(Boolean) ? "No new calls now" : "Engines are starting…";
    this.#onReadiness({
      state: body.ready ? "ready" : "starting",
      text: body.ready ? "Host ready" : waiting,
      serving,
    });
    return Object.values(stages).some(({ engines }) => engines.some(({ state }) => COMING.has(state)));
  }

  #show(stages) {
    const now = JSON.stringify(stages);
    if (now === this.#shown) return;
    this.#shown = now;
    for (const box of this.#boxes)
      box.replaceChildren(...Object.entries(stages).map(([stage, told]) => group(stage, told)));
  }
}

function group(stage, { serving, engines }) {
  const box = element("div", "engine-group");
  box.dataset.stage = stage;
  const title = element("h3");
  title.append(icon(stage), STAGE_NAMES[stage] ?? stage);
  const list = element("ul");
  list.append(...engines.map((candidate) => row(candidate, candidate.engine === serving)));
  box.append(title, list);
  return box;
}

/** @returns {"serving"|"standby"|"coming"|"out"} what an engine is to the next call */
function useOf(state, isFirst) {
  if (state === "serving") return isFirst ? "serving" : "standby";
  return COMING.has(state) ? "coming" : "out";
}

function row({ engine: name, state, reason, progress }, isFirst) {
  const item = element("li", "engine");
  item.dataset.engine = name;
  const use = useOf(state, isFirst);
  item.dataset.use = use;
  const share = typeof progress === "number" ? Math.min(1, Math.max(0, progress)) : null;
  const words = { serving: "Serves", standby: "Stands by", coming: sentence(state), out: sentence(state) };
  const percent = use === "coming" && share !== null ? ` ${Math.floor(share * 100)} %` : "";
  item.append(element("span", "engine-name", name), element("span", "engine-use", words[use] + percent));
  if (use === "coming" && share !== null) {
    const bar = element("progress");
    bar.max = 1;
    bar.value = share;
    bar.setAttribute("aria-label", `${name}: download`);
    item.append(bar);
  }
  if (reason && use !== "serving") item.append(element("span", "engine-why", reason));
  return item;
}

function sentence(word = "") {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
