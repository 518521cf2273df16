/**
 * <turn-waterfall>: where the time of each turn went, from the caller's last word to the agent's first. The bars overlap
 * where the work does: the agent thinks while nobody is sure yet that the caller has finished.
 */

import { h } from "../dom.js";
import { median, milliseconds } from "../format.js";

/** The width of the picture, unless a turn took longer: what most other hosts take. */
const FULL_SCALE_MS = 1000;
const KEPT = 200;

/** Bars as [words, from, to, colour]; a mark that a turn has not is left out with its bar. */
const BARS = [
  ["The caller has finished", () => 0, (marks) => marks.end_of_turn, 1],
  ["Words recognised", (marks) => marks.likely_end, (marks) => marks.heard, 2],
  ["First word of the reply", (marks) => marks.asked, (marks) => marks.first_token, 3],
  ["First sound of the voice", (marks) => marks.first_token, (marks) => marks.first_audio, 4],
  [
    "Sent to the caller",
    (marks) => Math.max(marks.first_audio ?? 0, marks.end_of_turn ?? 0),
    (marks) => marks.first_packet,
    5,
  ],
];

class TurnWaterfall extends HTMLElement {
  #summary = h("p.quiet");
  #list = h("ol.waterfalls");
  #blank = h("p.quiet", {}, "Each answer of the agent is drawn here, part by part.");
  #totals = [];
  #scale = FULL_SCALE_MS;

  connectedCallback() {
    if (this.#list.isConnected) return;
    const head = h("div.card-head", {}, h("h3", { id: "waterfall-title" }, "Turns"), this.#summary);
    this.append(head, this.#blank, this.#list);
  }

  clear() {
    this.#totals = [];
    this.#list.replaceChildren();
    this.#summary.textContent = "";
    this.#blank.hidden = false;
    this.#rescale(FULL_SCALE_MS);
  }

  /** `call.turn.completed`: {turn, latency, marks} */
  add({ turn, latency, marks = {} }) {
    if (typeof latency?.total_ms !== "number") return;
    this.#blank.hidden = true;
    this.#totals.push(latency.total_ms);
    const open = this.#list.querySelector("details[open]");
    const followed = !open || open === this.#list.querySelector("details");
    const row = this.#row(turn, latency.total_ms, marks);
    this.#list.prepend(row);
    if (followed) {
      open?.removeAttribute("open");
      row.firstElementChild.open = true;
    }
    while (this.#list.children.length > KEPT) this.#list.lastElementChild.remove();
    this.#rescale(Math.max(this.#scale, latency.total_ms));
    this.#summary.textContent = `median ${milliseconds(median(this.#totals))}`;
  }

  #rescale(scale) {
    this.#scale = scale;
    this.#list.style.setProperty("--scale", scale);
  }

  #row(turn, total, marks) {
    const strip = h("span.fall-strip", { "aria-hidden": "true" });
    const table = h("div.fall");
    for (const [words, begin, end, part] of BARS) {
      const [from, to] = [begin(marks), end(marks)];
      if (!(from >= 0) || !(to >= from)) continue;
      strip.append(bar(part, from, to));
      table.append(
        h("span.fall-words", {}, words),
        h("span.fall-lane", { "aria-hidden": "true" }, bar(part, from, to)),
        h("span.fall-ms", {}, `${from > 0 ? `${Math.round(from)}–` : ""}${Math.round(to)} ms`),
      );
    }
    const summary = h(
      "summary",
      {},
      h("span.turn-name", {}, `Turn ${turn}`),
      strip,
      h("span.turn-total", {}, milliseconds(total)),
    );
    return h("li", { data: { turn } }, h("details", {}, summary, table));
  }
}

function bar(part, from, to) {
  const piece = h(`i.part-${part}`);
  piece.style.setProperty("--from", from);
  piece.style.setProperty("--ms", Math.max(to - from, 4));
  return piece;
}

customElements.define("turn-waterfall", TurnWaterfall);
