/**
 * <call-timeline>: who spoke when, on a lane for each side, with holds, restarts and engine switches marked. A press on
 * it seeks, where there is something to play.
 */

import { h } from "../dom.js";
import { minutes } from "../format.js";

/** The line shows one of these lengths, so that it stands still while the call grows. */
const SCALES_S = [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400];
const TICKS = 5;
const SPAN_WORDS = { hold: "on hold", mute: "caller muted", record: "recorded" };
const MARKED = new Set(["restart", "switch", "barge-in", "keys", "transfer", "message"]);

class CallTimeline extends HTMLElement {
  #lanes = {
    user: h("div.lane", { data: { role: "user" } }),
    agent: h("div.lane", { data: { role: "agent" } }),
  };
  #spans = h("div.lane.lane-spans");
  #marks = h("ol.marks", { "aria-label": "What happened" });
  #ticks = h("div.ticks", { "aria-hidden": "true" });
  #head = h("div.playhead", { hidden: true, "aria-hidden": "true" });
  #field = h("div.field-of-time", { "aria-hidden": "true" });
  #drawn = new Map();
  #scale = 0;

  connectedCallback() {
    if (this.#field.isConnected) return;
    this.#field.append(this.#spans, this.#lanes.user, this.#lanes.agent, this.#head);
    this.append(this.#field, this.#marks, this.#ticks);
    this.#field.addEventListener("click", (event) => {
      const box = this.#field.getBoundingClientRect();
      this.#seek(((event.clientX - box.left) / box.width) * this.#scale);
    });
  }

  clear() {
    this.#scale = 0;
    this.#drawn.clear();
    for (const lane of [this.#lanes.user, this.#lanes.agent, this.#spans, this.#marks])
      lane.replaceChildren();
    this.at = null;
  }

  /** @param {import("./story.js").Story} story @param {number} now milliseconds of the epoch */
  draw(story, now) {
    const length = story.length(now);
    const scale = story.ended === null ? SCALES_S.find((each) => each >= length * 1.04) : Math.max(length, 1);
    if (scale !== this.#scale) this.#rescale(scale ?? length * 1.1);
    for (const each of story.speech) this.#bar(each, this.#lanes[each.role], length);
    for (const each of story.spans) this.#bar(each, this.#spans, length);
    for (const mark of story.marks) if (MARKED.has(mark.kind) && !this.#drawn.has(mark)) this.#mark(mark);
  }

  /** Where playback is, in seconds of the call; null: nowhere. */
  set at(seconds) {
    this.#head.hidden = seconds === null;
    if (seconds !== null) this.#head.style.setProperty("left", `${(seconds / this.#scale) * 100}%`);
  }

  #seek(seconds) {
    this.dispatchEvent(new CustomEvent("seek", { detail: { seconds } }));
  }

  #rescale(scale) {
    this.#scale = scale;
    this.#ticks.replaceChildren(
      ...Array.from({ length: TICKS + 1 }, (_, step) =>
        h("span", {}, minutes((scale * step * 1000) / TICKS)),
      ),
    );
    for (const [each, node] of this.#drawn) this.#place(node, each);
  }

  #bar(each, lane, length) {
    let node = this.#drawn.get(each);
    if (!node) {
      node = h("i", { data: { kind: each.kind ?? each.role }, title: SPAN_WORDS[each.kind] ?? null });
      this.#drawn.set(each, node);
      lane.append(node);
    } else if (node.dataset.done) return;
    if (each.to !== null) node.dataset.done = "true";
    this.#place(node, each, each.to ?? length);
  }

  #place(node, { at, from = at, to }, end = to ?? from) {
    node.style.setProperty("left", `${(from / this.#scale) * 100}%`);
    if (node.localName === "i")
      node.style.setProperty("width", `${(Math.max(0, end - from) / this.#scale) * 100}%`);
  }

  #mark(mark) {
    const button = h("button", { type: "button", title: mark.text, onclick: () => this.#seek(mark.at) });
    button.append(h("span.visually-hidden", {}, `${minutes(mark.at * 1000)}: ${mark.text}`));
    const node = h("li", { data: { kind: mark.kind, tone: mark.tone } }, button);
    this.#drawn.set(mark, node);
    this.#marks.append(node);
    this.#place(node, mark);
  }
}

/** What the lanes show, in words, for who does not see them. */
export function describe(story, now) {
  const seconds = { user: 0, agent: 0 };
  const length = story.length(now);
  for (const { role, from, to } of story.speech) seconds[role] += Math.max(0, (to ?? length) - from);
  const restarts = story.marks.filter(({ kind }) => kind === "restart").length;
  const troubles = restarts ? `, ${restarts} restart${restarts > 1 ? "s" : ""}` : "";
  return `${minutes(length * 1000)} long: the caller spoke ${minutes(seconds.user * 1000)}, the agent ${minutes(seconds.agent * 1000)}${troubles}.`;
}

customElements.define("call-timeline", CallTimeline);
