/** A list of calls beside the one that is open: what Live and History have in common. */

import { h, icon, setText } from "../dom.js";
import { CallView } from "./call-view.js";
import "./call-list.js";

export class ListView {
  /**
   * @param {HTMLElement} section is filled
   * @param {object} what
   * @param {string} what.base "#/live"
   * @param {string} what.label of the list
   * @param {string} what.find of its search field
   * @param {import("./api.js").Api} what.api
   * @param {() => object} what.me
   */
  constructor(section, { base, label, find, api, me }) {
    this.section = section;
    this.search = h("input", {
      type: "search",
      placeholder: find,
      "aria-label": find,
      autocomplete: "off",
      spellcheck: "false",
    });
    this.head = h("div.list-head", {}, h("label.search", {}, icon("search"), this.search));
    this.list = document.createElement("call-list");
    this.list.setAttribute("label", label);
    this.list.base = base;
    this.nothing = h("div.nothing", { hidden: true });
    this.status = h("p.visually-hidden", { role: "status" });
    this.box = h("div.list-box", { tabindex: "-1" }, this.nothing, this.list);
    this.view = new CallView(api, me, base);
    section.append(
      h("div.card.list-pane", { "aria-busy": "true" }, this.head, this.status, this.box),
      this.view.element,
    );
  }

  /** Open this call, or none. */
  open(id) {
    this.section.dataset.open = Boolean(id);
    this.list.current = id;
    if (id) this.view.open(id);
    else this.view.close();
  }

  /** The list is being read: grey rows stand where calls will. */
  loading() {
    this.section.querySelector(".list-pane").setAttribute("aria-busy", "true");
  }

  /**
   * Show calls, or what stands in their place.
   * @param {{title: string, text: string, actions?: Node[], alone?: boolean}|null} instead where there are none; with
   *   `alone` there is nothing to open either, and it has the whole view
   */
  show(calls, changed, instead) {
    this.section.querySelector(".list-pane").setAttribute("aria-busy", "false");
    this.list.show(calls, changed);
    this.section.dataset.empty = calls.length === 0 && Boolean(instead?.alone);
    this.list.hidden = calls.length === 0;
    this.nothing.hidden = calls.length > 0 || !instead;
    if (this.nothing.hidden || this.nothing.dataset.title === instead.title + instead.text) return;
    this.nothing.dataset.title = instead.title + instead.text;
    this.nothing.replaceChildren(
      icon(instead.icon ?? "mark"),
      h("h2", {}, instead.title),
      h("p", {}, instead.text),
      ...(instead.actions ?? []),
    );
  }

  /** Once a second: clocks. */
  tick(now) {
    this.list.tick(now);
    this.view.tick(now);
  }

  /** Read out how many there are. */
  say(text) {
    setText(this.status, text);
  }
}
