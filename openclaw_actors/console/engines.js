/** Which engine serves each stage, and why the better ones do not: the host's `GET /readyz`, asked every 5 s. */

import { STAGE_NAMES, element, icon } from "./stages.js";

const EVERY_MS = 5000;
/** A download is watched closer. */
const EVERY_WHILE_COMING_MS = 1500;
const COMING = new Set(["downloading", "probing", "loading", "starting"]);
const SERVING = new Set(["serving", "ready"]);

export class Engines {
  #box;
  #url;
  #onReadiness;
  #timer = 0;
  #shown = "";

  /**
   * @param {HTMLElement} box is filled with one group for each kind of engine
   * @param {string} url the host, without a trailing slash
   * @param {(readiness: {state: string, text: string, serving: Object<string, string>}) => void} onReadiness
   */
  constructor(box, url, onReadiness) {
    this.#box = box;
    this.#url = url;
    this.#onReadiness = onReadiness;
    document.addEventListener("visibilitychange", () => this.watch());
  }

  /** Ask now, and again and again while the page is visible. */
  async watch() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const coming = await this.#ask();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.watch(), coming ? EVERY_WHILE_COMING_MS : EVERY_MS);
  }

  async #ask() {
    let body;
    try {
      // 503 carries the same body: not ready yet, or draining.
      const response = await fetch(`${this.#url}/readyz`, { cache: "no-store", signal: AbortSignal.timeout(EVERY_MS) });
      body = await response.json();
    } catch {
      this.#onReadiness({ state: "down", text: "Host not reachable", serving: {} });
      return false;
    }
    const engines = body.engines ?? {};
    this.#show(engines);
    const serving = {};
    for (const [stage, candidates] of Object.entries(engines)) {
      serving[stage] = candidates.find(({ state }) => SERVING.has(state))?.name ?? "";
    }
    // Not ready although every stage is served: the host is on its way out.
    const waiting = Object.values(serving).every(Boolean) ? "No new calls now" : "Engines are starting…";
    this.#onReadiness({ state: body.ready ? "ready" : "starting", text: body.ready ? "Host ready" : waiting, serving });
    return Object.values(engines).flat().some(({ state }) => COMING.has(state));
  }

  #show(engines) {
    const now = JSON.stringify(engines);
    if (now === this.#shown) return;
    this.#shown = now;
    this.#box.replaceChildren(...Object.entries(engines).map(([stage, candidates]) => group(stage, candidates)));
  }
}

function group(stage, candidates) {
  const box = element("div", "engine-group");
  box.dataset.stage = stage;
  const title = element("h3");
  title.append(icon(stage), STAGE_NAMES[stage] ?? stage);
  const list = element("ul");
  const first = candidates.findIndex(({ state }) => SERVING.has(state));
  list.append(...candidates.map((candidate, at) => row(candidate, at === first)));
  box.append(title, list);
  return box;
}

function row({ name, state, reason, progress }, isFirst) {
  const item = element("li", "engine");
  item.dataset.engine = name;
  const use = SERVING.has(state) ? (isFirst ? "serving" : "standby") : COMING.has(state) ? "coming" : "out";
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
