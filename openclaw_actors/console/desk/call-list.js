/**
 * <call-list>: calls as a list of links. Arrow keys move in it, Home and End to its ends; Tab leaves it.
 *
 * A row is made once a call and changed where it differs: with 200 calls that speak, a frame touches a few rows. Rows out
 * of sight are neither laid out nor painted (content-visibility, css/calls.css).
 */

import { h, icon, setText } from "../dom.js";
import { exactly, isLive, milliseconds, minutes, party, reasonWord, statusWord, when } from "../format.js";
import { STAGE_NAMES } from "../talk/stages.js";

const STAGES = ["transport", "turns", "stt", "agent", "tts"];

class CallList extends HTMLElement {
  /** Where a call's link leads: "#/live" or "#/history". */
  base = "#/live";
  #rows = new Map();
  #list = h("ol.rows");
  #current = "";

  connectedCallback() {
    if (this.#list.isConnected) return;
    this.#list.setAttribute("aria-label", this.getAttribute("label") ?? "Calls");
    this.append(this.#list);
    this.addEventListener("keydown", (event) => this.#move(event));
    this.addEventListener("focusin", ({ target }) => this.#rove(target.closest("a")));
  }

  /**
   * Show these calls, in this order.
   * @param {object[]} calls
   * @param {Set<string>|null} changed ids whose rows may differ; null: all
   */
  show(calls, changed = null) {
    const shown = new Set(calls.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (shown.has(id)) continue;
      const hadFocus = row.link === document.activeElement;
      const neighbour = row.item.nextElementSibling ?? row.item.previousElementSibling;
      row.item.remove();
      this.#rows.delete(id);
      if (hadFocus) neighbour?.querySelector("a").focus();
    }
    let after = null;
    for (const call of calls) {
      let row = this.#rows.get(call.id);
      if (!row) this.#rows.set(call.id, (row = makeRow(`${this.base}/${encodeURIComponent(call.id)}`)));
      if (!changed || changed.has(call.id) || row.fresh) fillRow(row, call);
      const place = after ? after.nextElementSibling : this.#list.firstElementChild;
      if (place !== row.item) this.#list.insertBefore(row.item, place);
      after = row.item;
    }
    this.#mark();
  }

  /** The open call. */
  set current(id) {
    this.#current = id;
    this.#mark();
  }

  /** Once a second: how long each call lasts. */
  tick(now) {
    for (const { item, time } of this.#rows.values())
      if (item.dataset.since) setText(time, minutes(now - Number(item.dataset.since)));
  }

  #mark() {
    let tabbable = null;
    for (const [id, { link }] of this.#rows) {
      if (id === this.#current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      if (id === this.#current || link === document.activeElement) tabbable = link;
    }
    this.#rove(tabbable ?? this.#list.querySelector('a[tabindex="0"]') ?? this.#list.querySelector("a"));
  }

  #rove(link) {
    if (!link) return;
    for (const { link: each } of this.#rows.values()) each.tabIndex = each === link ? 0 : -1;
  }

  #move(event) {
    const item = event.target.closest("li");
    const to = {
      ArrowDown: item?.nextElementSibling,
      ArrowUp: item?.previousElementSibling,
      Home: this.#list.firstElementChild,
      End: this.#list.lastElementChild,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("a").focus();
  }
}

function makeRow(href) {
  const parts = {
    way: h("span.row-way"),
    name: h("span.row-name"),
    time: h("span.row-time"),
    status: h("span.chip"),
    words: h("span.row-words"),
    health: h("span.health", { role: "img" }),
    latency: h("span.row-latency"),
  };
  const link = h(
    "a.row",
    { href, tabindex: "-1" },
    parts.way,
    parts.name,
    parts.time,
    h("span.row-under", {}, parts.status, parts.words),
    h("span.row-end", {}, parts.latency, parts.health),
  );
  for (const stage of STAGES) parts.health.append(h("i", { data: { stage } }));
  return { ...parts, link, item: h("li", {}, link), fresh: true, direction: "" };
}

function fillRow(row, call) {
  row.fresh = false;
  const live = isLive(call);
  if (row.direction !== call.direction) {
    row.direction = call.direction;
    const outbound = call.direction === "outbound";
    row.way.replaceChildren(
      icon(outbound ? "out" : "in"),
      h("span.visually-hidden", {}, outbound ? "Out: " : "In: "),
    );
  }
  row.item.dataset.state = live ? call.status : "over";
  row.item.dataset.since = live && call.answered_at ? Date.parse(call.answered_at) : "";
  setText(row.name, party(call));
  setText(row.status, statusWord(call));
  row.status.dataset.status = call.held && live ? "held" : call.status;
  if (!row.item.dataset.since) setText(row.time, live ? "" : when(call.started_at));
  row.time.title = exactly(call.started_at);
  row.words.dataset.role = (live && call.last?.role) || "";
  setText(
    row.words,
    live
      ? (call.last?.text ?? [call.transport, call.engines?.agent].filter(Boolean).join(" · "))
      : ended(call),
  );
  const took = call.latency?.last_ms ?? call.latency?.turn_p50_ms;
  setText(row.latency, took === undefined ? "" : milliseconds(took));
  row.latency.title = live ? "The last answer took so long" : "The median of its answers";
  showHealth(row.health, call, live);
}

function ended(call) {
  const lasted =
    call.answered_at && call.ended_at ? Date.parse(call.ended_at) - Date.parse(call.answered_at) : 0;
  const why = call.end_reason ? reasonWord(call.end_reason) : "";
  return [lasted ? minutes(lasted) : "", why].filter(Boolean).join(" · ");
}

function showHealth(box, call, live) {
  const restarts = Object.entries(call.restarts ?? {});
  box.hidden = !live && restarts.length === 0;
  if (box.hidden) return;
  const down = STAGES.filter((stage) => live && call.stages?.[stage]?.state === "down");
  for (const dot of box.children) {
    const stage = dot.dataset.stage;
    const restarted = (call.restarts?.[stage] ?? 0) > 0;
    dot.dataset.state = down.includes(stage) ? "down" : restarted ? "restarted" : "well";
  }
  const words = [
    ...down.map((stage) => `${STAGE_NAMES[stage]} is down`),
    ...restarts.map(([stage, count]) => `${STAGE_NAMES[stage] ?? stage} restarted ${count}×`),
  ];
  const text = words.join(", ") || "All stages are well";
  if (box.title !== text) {
    box.title = text;
    box.setAttribute("aria-label", text);
  }
}

customElements.define("call-list", CallList);
