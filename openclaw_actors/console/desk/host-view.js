/** The host: how full it is, whether it takes calls, which engines serve. */

import { h, setText, toast } from "../dom.js";
import { Engines } from "../talk/engines.js";
import { confirm } from "./dialogs.js";

const EVERY_MS = 5000;
const FULL = 0.85;

const at = (id) => document.getElementById(id);

export class HostView {
  #api;
  #me;
  #node = null;
  #timer = 0;
  #shown = false;

  /** @param {string} base the host's address @param {(readiness: object) => void} onReadiness */
  constructor(api, base, me, onReadiness) {
    this.#api = api;
    this.#me = me;
    const boxes = [at("engines"), at("host-engines")];
    this.engines = new Engines(
      boxes,
      base,
      () => api.token,
      (readiness) => {
        const pill = at("host");
        pill.dataset.state = readiness.state;
        setText(pill, readiness.text);
        onReadiness(readiness);
      },
    );
    this.engines.watch();
    at("drain-button").addEventListener("click", () => this.#drain());
    document.addEventListener("visibilitychange", () => this.watch());
  }

  /** Ask for the host's numbers now, and again while somebody looks. */
  async watch(shown = this.#shown) {
    this.#shown = shown;
    clearTimeout(this.#timer);
    if (!shown || document.hidden) return;
    try {
      this.#show(await this.#api.get("/v1/node"));
    } catch {
      at("node").hidden = true; // the pill says what is wrong
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.watch(), EVERY_MS);
  }

  #show(node) {
    this.#node = node;
    const { calls, limit, draining } = node;
    at("node").hidden = false;
    const bar = at("capacity");
    bar.style.setProperty("--share", limit ? Math.min(1, calls / limit) : 0);
    bar.dataset.tone = limit && calls / limit >= FULL ? "warn" : "";
    bar.setAttribute("aria-valuemax", limit);
    bar.setAttribute("aria-valuenow", calls);
    bar.setAttribute("aria-valuetext", `${calls} of ${limit} calls`);
    setText(at("capacity-text"), `${calls} of ${limit}`);
    const button = at("drain-button");
    button.hidden = !this.#me().scopes.includes("admin");
    button.dataset.on = draining;
    button.setAttribute("aria-label", draining ? "Take calls again" : "Drain the host");
    setText(button.querySelector(".label"), draining ? "Take calls again" : "Drain");
    this.#facts(node);
  }

  #facts({ calls, limit, draining }) {
    const me = this.#me();
    const facts = {
      Calls: `${calls} of ${limit}`,
      "New calls": draining ? "None: it drains, or is not ready" : "Are taken",
      "You are": me.name,
      "You may": me.scopes.join(", ") || "nothing here",
      "Listening in": me.listen_in ? "Permitted" : "Off (calls.listen_in)",
    };
    at("host-facts").replaceChildren(
      ...Object.entries(facts).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    );
  }

  async #drain() {
    const draining = this.#node?.draining;
    try {
      if (draining) this.#show(await this.#api.json("DELETE", "/v1/node/drain"));
      else {
        const text = "No new calls are taken until you end it. The calls that run go on.";
        await confirm("Drain this host?", text, "Drain", async () =>
          this.#show(await this.#api.post("/v1/node/drain")),
        );
      }
    } catch (error) {
      toast(error.message, "bad");
    }
    this.engines.watch();
  }
}
