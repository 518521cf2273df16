/** History: every call on record, newest first, found by number or by what was said. */

import { h } from "../dom.js";
import { ListView } from "./list-view.js";

const PAGE = 50;
/** After the last key: a search reads the database. */
const TYPING_MS = 250;

export class HistoryView extends ListView {
  #api;
  #status = select("Outcome", [
    ["", "Any outcome"],
    ["completed", "Completed"],
    ["no-answer", "No answer"],
    ["busy", "Busy"],
    ["failed", "Failed"],
    ["canceled", "Canceled"],
    ["in-progress", "Live"],
  ]);
  #direction = select("Direction", [
    ["", "In and out"],
    ["inbound", "Inbound"],
    ["outbound", "Outbound"],
  ]);
  #more = h("button.plain.more", { type: "button", hidden: true }, "Show more");
  #calls = [];
  #next = null;
  #asked = 0;
  #timer = 0;

  constructor(section, what) {
    super(section, {
      base: "#/history",
      label: "Calls on record",
      find: "Number or words that were said",
      ...what,
    });
    this.#api = what.api;
    this.head.append(h("div.filters", {}, this.#status, this.#direction));
    this.box.append(this.#more);
    this.search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.read(), TYPING_MS);
    });
    for (const choice of [this.#status, this.#direction])
      choice.addEventListener("change", () => this.read());
    this.#more.addEventListener("click", () => this.#read(this.#next));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.#next && this.#read(this.#next), {
      root: this.box,
      rootMargin: "300px",
    }).observe(this.#more);
  }

  /** Read the list anew. */
  read() {
    this.#next = null;
    return this.#read("");
  }

  async #read(cursor) {
    const asked = (this.#asked += 1);
    if (!cursor && !this.#calls.length) this.loading();
    this.#more.disabled = true;
    const query = new URLSearchParams({ limit: PAGE });
    const wanted = {
      q: this.search.value.trim(),
      status: this.#status.value,
      direction: this.#direction.value,
      cursor,
    };
    for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
    let error = null;
    let page = { calls: [], next: null };
    try {
      page = await this.#api.get(`/v1/calls?${query}`);
    } catch (problem) {
      error = problem;
    }
    if (asked !== this.#asked) return; // somebody has typed on
    this.#calls = cursor ? [...this.#calls, ...page.calls] : page.calls;
    this.#next = page.next;
    this.#more.hidden = !page.next;
    this.#more.disabled = false;
    this.show(this.#calls, null, this.#instead(error, wanted));
    this.say(error ? error.message : `${this.#calls.length}${page.next ? " or more" : ""} calls`);
  }

  #instead(error, { q, status, direction }) {
    if (error)
      return {
        title: error.status === 401 ? "You are not signed in" : "The calls can't be read",
        text: error.message,
        icon: "key",
        actions: [h("button.plain", { type: "button", onclick: () => this.read() }, "Try again")],
      };
    if (q || status || direction)
      return {
        title: "Nothing found",
        text: "No call on record fits. Whole words, or how they begin, are found.",
        icon: "search",
      };
    return {
      title: "No calls yet",
      text: "Every call is kept here when it is over, with all that was said.",
      icon: "history",
      alone: true,
    };
  }
}

function select(label, options) {
  return h(
    "select",
    { "aria-label": label },
    ...options.map(([value, words]) => h("option", { value }, words)),
  );
}
