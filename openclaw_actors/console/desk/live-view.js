/** Live: the calls that run now. */

import { h, iconButton } from "../dom.js";
import { party } from "../format.js";
import { ListView } from "./list-view.js";

export class LiveView extends ListView {
  #live;

  /** @param {import("./live-calls.js").LiveCalls} live @param {{call: () => void, dial: () => void}} begin */
  constructor(section, { live, begin, ...what }) {
    super(section, { base: "#/live", label: "Live calls", find: "Find a live call", ...what });
    this.#live = live;
    this.emptyActions = [
      iconButton("phone", "Call", { class: "primary", onclick: begin.call }),
      iconButton("dial", "Dial out", { class: "plain", onclick: begin.dial }),
    ];
    live.addEventListener("change", ({ detail }) => this.draw(detail.changed));
    this.search.addEventListener("input", () => this.draw(null));
  }

  draw(changed) {
    const wanted = this.search.value.trim().toLowerCase();
    const calls = this.#live.all.filter((call) => !wanted || matches(call, wanted));
    if (this.#live.state === "loading") return this.loading();
    this.show(calls, changed, this.#instead(wanted));
    this.say(wanted ? `${calls.length} of ${this.#live.count} live calls` : `${this.#live.count} live calls`);
  }

  /** Another token may help, or the same request once more. */
  #again(status) {
    if (status === 401 || status === 403) document.dispatchEvent(new CustomEvent("signin"));
    else this.#live.start();
  }

  #instead(wanted) {
    const { state, error } = this.#live;
    if (state === "refused")
      return {
        title: error.status === 401 ? "You are not signed in" : "The calls can't be shown",
        text: error.message,
        icon: "key",
        actions: [
          h(
            "button.plain",
            { type: "button", onclick: () => this.#again(error.status) },
            again(error.status),
          ),
        ],
      };
    if (wanted)
      return { title: "No such call", text: "No live call has this in its name, number or last words." };
    return {
      title: "No calls right now",
      text: "Press Call and talk with your agent from this page, or dial somebody. Calls appear here as they come in.",
      icon: "phone",
      alone: true,
      actions: [h("div.nothing-actions", {}, ...this.emptyActions)],
    };
  }
}

function again(status) {
  return { 401: "Sign in", 403: "Use another token" }[status] ?? "Try again";
}

function matches(call, wanted) {
  const words = [party(call), call.from, call.to, call.transport, call.last?.text, call.id];
  const bare = wanted.replace(/[\s().-]/g, "");
  return (
    words.some((word) => word?.toLowerCase().includes(wanted)) ||
    (/^\+?\d+$/.test(bare) && [call.from, call.to].some((number) => number?.includes(bare)))
  );
}
