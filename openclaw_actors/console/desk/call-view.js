/** One call, opened: its head, its time line, its words as they come, its turns, and what can be done to it. */

import { h, icon, setText, toast } from "../dom.js";
import { exactly, isLive, minutes, party, reasonWord, statusWord } from "../format.js";
import { Stages } from "../talk/stages.js";
import { Transcript } from "../talk/transcript.js";
import { CallActions } from "./call-actions.js";
import { change, newCall } from "./live-calls.js";
import { follow } from "./sse.js";
import { Story } from "./story.js";
import { describe } from "./timeline.js";
import "./player.js";
import "./waterfall.js";

const STAGES = ["transport", "turns", "stt", "agent", "tts"];
const NARROW = matchMedia("(max-width: 979px)");

export class CallView {
  id = "";
  #api;
  #parts;
  #stop = new AbortController();
  #call = null;
  #story = new Story();

  /**
   * @param {import("./api.js").Api} api
   * @param {() => {scopes: string[], listen_in: boolean}} me what this person may do
   * @param {string} back where the list is, for phones
   */
  constructor(api, me, back) {
    this.#api = api;
    const parts = (this.#parts = makeParts(back));
    this.element = parts.root;
    this.#parts.transcript = new Transcript(parts.log, { user: "Caller", agent: "Agent" });
    this.#parts.stages = new Stages(parts.stageList);
    this.actions = new CallActions(api, me, () => this.#call, parts);
    parts.timeline.addEventListener("seek", ({ detail }) => this.#seek(detail.seconds));
    parts.player.addEventListener("moment", ({ detail }) => this.#playing(detail.moment));
    parts.log.addEventListener("click", ({ target }) => {
      const line = target.closest(".line[data-at]");
      if (line && !getSelection().toString()) this.#seek(Number(line.dataset.at));
    });
    this.close();
  }

  /** Show this call from its first event on. */
  async open(id) {
    if (id === this.id) return;
    this.close();
    this.id = id;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const { root, blank, body } = this.#parts;
    root.dataset.open = "true";
    [blank.hidden, body.hidden] = [true, false];
    root.setAttribute("aria-busy", "true");
    if (NARROW.matches) this.#parts.name.focus();
    this.#readRecord(signal);
    try {
      const event = (each) => this.#hear(each, signal);
      await follow(this.#api, `/v1/calls/${encodeURIComponent(id)}/events`, { event }, signal);
    } catch (error) {
      if (!signal.aborted) this.#refuse(error);
    }
  }

  close() {
    this.#stop.abort();
    this.id = "";
    this.#call = null;
    this.#story = new Story();
    const { root, blank, body, transcript, stages, waterfall, timeline, player } = this.#parts;
    delete root.dataset.open;
    [blank.hidden, body.hidden] = [false, true];
    setText(blank.querySelector("p"), "Choose a call to see it here.");
    transcript.clear();
    stages.reset();
    waterfall.clear();
    timeline.clear();
    player.clear();
    this.actions.reset();
  }

  /** What this person may do is known now. */
  refresh() {
    if (this.#call) this.#show();
  }

  /** Once a second: the clock and the growing time line. */
  tick(now) {
    if (!this.#call || !isLive(this.#call) || !this.#story.began) return;
    this.#head(now);
    this.#parts.timeline.draw(this.#story, now);
  }

  /** The record says what no event does: whether there are recordings, and that the call is live at all. */
  async #readRecord(signal) {
    try {
      const record = await this.#api.get(`/v1/calls/${encodeURIComponent(this.id)}`);
      if (signal.aborted) return;
      this.#call = { ...record, ...this.#call, recordings: record.recordings, recording: record.recording };
      if (!isLive(record)) Object.assign(this.#call, record);
      this.#offerRecordings();
      this.#show();
    } catch (error) {
      if (!signal.aborted && error.status !== 404) toast(error.message, "bad"); // the events tell of a 404
    }
  }

  #hear(event, signal) {
    if (signal.aborted) return;
    this.#parts.root.setAttribute("aria-busy", "false");
    this.#call ??= newCall(this.id, event.time);
    change(this.#call, event);
    const { transcript, stages, waterfall } = this.#parts;
    const { line, note } = this.#story.take(event);
    if (line) transcript.add(line, { at: line.at, time: minutes(line.at * 1000) });
    if (note) transcript.note(note.text, note.tone);
    if (event.type === "call.stages") stages.update(event.data.stages);
    if (event.type === "call.stage.restarted") stages.restarted(event.data);
    if (event.type === "call.turn.completed") waterfall.add(event.data);
    if (event.type === "call.ended") {
      transcript.close();
      transcript.note(reasonWord(event.data.reason));
      this.#readRecord(signal); // what was recorded is there now
    }
    this.#later();
  }

  /** A long call's events come by the thousand when it is opened: it is drawn once they are there. */
  #later() {
    if (this.#parts.drawing) return;
    this.#parts.drawing = requestAnimationFrame(() => {
      this.#parts.drawing = 0;
      if (this.#call) this.#show();
    });
  }

  #show() {
    const now = Date.now();
    this.#head(now);
    const live = isLive(this.#call);
    const { body, timeline, stageList, composer } = this.#parts;
    body.dataset.live = live;
    stageList.hidden = !live;
    composer.hidden = !live;
    if (live) this.#parts.stages.engines(this.#call.engines ?? {});
    if (this.#story.began) {
      timeline.draw(this.#story, now);
      setText(this.#parts.timelineWords, describe(this.#story, now));
    }
    this.actions.show();
  }

  #head(now) {
    const call = this.#call;
    const { name, chip, clock, facts, way } = this.#parts;
    setText(name, party(call));
    const outbound = call.direction === "outbound";
    if (way.dataset.way !== call.direction) {
      way.dataset.way = call.direction;
      way.replaceChildren(icon(outbound ? "out" : "in"));
    }
    setText(chip, statusWord(call));
    chip.dataset.status = call.held && isLive(call) ? "held" : call.status;
    const from = Date.parse(call.answered_at ?? call.started_at);
    setText(
      clock,
      call.answered_at || !isLive(call)
        ? minutes((call.ended_at ? Date.parse(call.ended_at) : now) - from)
        : "",
    );
    const engines = Object.values(call.engines ?? {})
      .filter(Boolean)
      .join(" · ");
    const words = [outbound ? "Outbound" : "Inbound", call.transport, exactly(call.started_at), engines];
    setText(facts, words.filter(Boolean).join(" · "));
  }

  #refuse(error) {
    const { blank, body } = this.#parts;
    [blank.hidden, body.hidden] = [false, true];
    setText(
      blank.querySelector("p"),
      error.status === 404 ? "There is no such call; it may have been erased." : error.message,
    );
  }

  // --- playback ----------------------------------------------------------------------------------------------

  #offerRecordings() {
    const { player, log } = this.#parts;
    const recordings = isLive(this.#call) ? [] : (this.#call.recordings ?? []);
    const load = async (part) => {
      const path = `/v1/calls/${encodeURIComponent(this.id)}/recording?part=${part}`;
      return (await this.#api.open(path)).blob();
    };
    player.offer(recordings, load);
    if (player.hidden) delete log.dataset.seeks;
    else log.dataset.seeks = "true";
  }

  #seek(seconds) {
    this.#parts.player.seek(this.#story.began + seconds * 1000);
  }

  #playing(moment) {
    const { timeline, transcript } = this.#parts;
    const seconds = moment === null ? null : (moment - this.#story.began) / 1000;
    timeline.at = seconds;
    transcript.sounding(seconds);
  }
}

function makeParts(back) {
  const way = h("span.cv-way", { "aria-hidden": "true" });
  const name = h("h2.cv-name", { tabindex: "-1" });
  const chip = h("span.chip");
  const clock = h("span.cv-clock");
  const facts = h("p.quiet.cv-facts");
  const actions = h("div.cv-actions", { role: "group", "aria-label": "Steer the call" });
  const ears = h("div.cv-ears", { hidden: true });
  const timeline = document.createElement("call-timeline");
  const timelineWords = h("p.visually-hidden");
  const player = document.createElement("recording-player");
  const log = h("div.log", { role: "log", "aria-live": "polite", "aria-label": "Transcript", tabindex: "0" });
  const composer = h("form.composer");
  const stageList = h("ol.stages", { "aria-label": "Stages of the call" });
  stageList.append(...STAGES.map((stage) => h("li", { data: { stage, state: "idle" } })));
  const waterfall = document.createElement("turn-waterfall");
  waterfall.setAttribute("aria-labelledby", "waterfall-title");
  const head = h(
    "header.cv-head",
    {},
    h("a.ghost.cv-back", { href: back, "aria-label": "Back to the list" }, icon("back")),
    way,
    h("div.cv-title", {}, h("div.cv-line", {}, name, chip, clock), facts),
    actions,
  );
  const words = h("div.cv-words", {}, h("div.paper", {}, log), composer);
  const side = h(
    "div.cv-side",
    { tabindex: "0", role: "region", "aria-label": "Stages and turns" },
    stageList,
    waterfall,
  );
  const body = h(
    "div.cv",
    {},
    head,
    ears,
    timelineWords,
    timeline,
    player,
    h("div.cv-columns", {}, words, side),
  );
  const blank = h("div.nothing", {}, icon("mark"), h("p", {}));
  const root = h("article.card.detail", { "aria-label": "The call" }, blank, body);
  return {
    root,
    blank,
    body,
    way,
    name,
    chip,
    clock,
    facts,
    actions,
    ears,
    timeline,
    timelineWords,
    player,
    log,
    composer,
    stageList,
    waterfall,
  };
}
