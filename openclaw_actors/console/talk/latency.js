/** How long each turn took, from the caller's last word to the agent's first sound, part by part. */

import { element } from "../dom.js";
import { median, milliseconds } from "../format.js";

/** In the order in which they pass; the names are the host's, the words are for people. */
const PARTS = [
  ["end_of_turn_ms", "End of turn"],
  ["stt_final_ms", "Transcript"],
  ["agent_first_token_ms", "First word of the reply"],
  ["tts_first_audio_ms", "First sound of the voice"],
  ["first_packet_ms", "First packet"],
];
/** A bar as wide as the box: what most other hosts take. Slower turns stretch the scale. */
const FULL_SCALE_MS = 1000;
const KEPT = 50;

export class Latency {
  #list;
  #summary;
  #blank;
  #totals = [];

  constructor(list, summary, blank) {
    this.#list = list;
    this.#summary = summary;
    this.#blank = blank;
  }

  reset() {
    this.#totals = [];
    this.#list.replaceChildren();
    this.#summary.textContent = "";
    this.#blank.hidden = false;
  }

  /** `call.turn.completed`: {turn, latency: {total_ms, …}}; a turn that nobody asked for has no total. */
  add({ turn, latency = {} }) {
    if (typeof latency.total_ms !== "number") return;
    this.#blank.hidden = true;
    this.#totals.push(latency.total_ms);
    this.#list.prepend(row(turn, latency));
    while (this.#list.children.length > KEPT) this.#list.lastElementChild.remove();
    const scale = Math.max(FULL_SCALE_MS, ...this.#totals.slice(-KEPT));
    for (const bar of this.#list.querySelectorAll(".bar"))
      bar.style.setProperty("--share", bar.dataset.ms / scale);
    this.#summary.textContent = `median ${milliseconds(median(this.#totals))}`;
  }
}

function row(turn, latency) {
  const parts = PARTS.filter(([key]) => latency[key] > 0).map(([key, words], at) => ({
    key,
    words,
    at,
    ms: latency[key],
  }));
  const item = element("li", "turn");
  item.dataset.turn = turn;
  const bar = element("div", "bar");
  bar.dataset.ms = latency.total_ms;
  bar.setAttribute("role", "img");
  bar.setAttribute(
    "aria-label",
    parts.map(({ words, ms }) => `${words} ${milliseconds(ms)}`).join(", ") || "no parts known",
  );
  const list = element("dl", "parts");
  for (const { key, words, ms } of parts) {
    const colour = `part-${PARTS.findIndex(([name]) => name === key) + 1}`;
    const piece = element("span", colour);
    piece.style.setProperty("--ms", ms);
    piece.title = `${words}: ${milliseconds(ms)}`;
    bar.append(piece);
    const term = element("dt");
    term.append(element("i", colour), words);
    list.append(term, element("dd", "", milliseconds(ms)));
  }
  // Parts may run side by side (a reply is asked for before the turn is sure) or leave a rest.
  const rest = latency.total_ms - parts.reduce((sum, { ms }) => sum + ms, 0);
  if (rest > 1) {
    const piece = element("span", "part-rest");
    piece.style.setProperty("--ms", rest);
    bar.append(piece);
  }
  item.append(
    element("span", "turn-name", `Turn ${turn}`),
    bar,
    element("span", "turn-total", milliseconds(latency.total_ms)),
    list,
  );
  return item;
}
