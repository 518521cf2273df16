/** Voicemail: the messages that callers left, with their words, their sound, and a call back. */

import { h, icon, setText, toast } from "../dom.js";
import { exactly, minutes, phoneNumber, when } from "../format.js";
import { confirm } from "./dialogs.js";
import "./player.js";

/** What has been done for a message, in words. */
const STATES = {
  recording: "Being left",
  fetching: "On its way",
  recorded: "New",
  transcribed: "New",
  asking: "New",
  due: "To be called back",
  dialling: "Calling back",
  done: "Done",
  failed: "Failed",
  kept: "Kept",
};
const CHIPS = { failed: "failed", due: "ringing", dialling: "ringing" };

export class VoicemailView {
  #api;
  #list = h("ol.rows", { "aria-label": "Messages" });
  #nothing = h("div.nothing", { hidden: true });
  #detail = h("article.card.detail", { "aria-label": "The message" });
  #me;
  #messages = [];

  constructor(section, { api, me }) {
    this.#api = api;
    this.#me = me;
    this.section = section;
    const box = h("div.list-box", {}, this.#nothing, this.#list);
    section.append(h("div.card.list-pane", {}, box), this.#detail);
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.#blank("Choose a message to hear it.");
  }

  async open(id) {
    this.section.dataset.open = Boolean(id);
    await this.#read();
    const message = this.#messages.find((each) => each.id === id);
    for (const link of this.#list.querySelectorAll("a"))
      if (link.dataset.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    if (message) this.#show(message);
    else
      this.#blank(id ? "There is no such message; it may have been erased." : "Choose a message to hear it.");
  }

  async #read() {
    try {
      this.#messages = (await this.#api.get("/v1/voicemails?limit=200")).voicemails;
    } catch (error) {
      this.#messages = [];
      toast(error.message, "bad");
    }
    this.#list.replaceChildren(...this.#messages.map((message, number) => row(message, number === 0)));
    this.#nothing.hidden = this.#messages.length > 0;
    this.#nothing.replaceChildren(
      icon("voicemail"),
      h("h2", {}, "No messages"),
      h("p", {}, "What callers leave is kept here."),
    );
  }

  #move(event) {
    const item = event.target.closest("li");
    const to = { ArrowDown: item?.nextElementSibling, ArrowUp: item?.previousElementSibling }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("a").focus();
  }

  #blank(text) {
    this.#detail.replaceChildren(h("div.nothing", {}, icon("voicemail"), h("p", {}, text)));
  }

  #show(message) {
    const { id } = message;
    const player = document.createElement("recording-player");
    const name = h("h2.cv-name", { tabindex: "-1" }, caller(message));
    const facts = [exactly(message.received_at), minutes((message.seconds ?? 0) * 1000), stateWord(message)];
    const back = h(
      "button.primary",
      { type: "button", onclick: () => this.#callBack(id) },
      icon("phone"),
      "Call back",
    );
    back.hidden = !this.#me().scopes.includes("call:control");
    const erase = h(
      "button.plain",
      { type: "button", "data-tone": "bad", onclick: () => this.#erase(id) },
      icon("trash"),
      "Erase",
    );
    erase.hidden = !this.#me().scopes.includes("admin");
    this.#detail.replaceChildren(
      h(
        "div.cv",
        {},
        h(
          "header.cv-head",
          {},
          h("a.ghost.cv-back", { href: "#/voicemail", "aria-label": "Back to the list" }, icon("back")),
          h("div.cv-title", {}, name, h("p.quiet", {}, facts.filter(Boolean).join(" · "))),
        ),
        h("div.cv-actions.message-actions", {}, back, erase),
        player,
        h("p.message-text", {}, message.transcript || "Its words are not known (yet)."),
        message.answer && h("p.quiet", {}, `The agent's answer: ${message.answer}`),
      ),
    );
    const sound = {
      part: 1,
      started_at: message.received_at,
      duration_ms: (message.seconds ?? 0) * 1000,
      state: "ready",
    };
    player.offer([sound], async () =>
      (await this.#api.open(`/v1/voicemails/${encodeURIComponent(id)}/audio`)).blob(),
    );
  }

  async #erase(id) {
    const act = () => this.#api.json("DELETE", `/v1/voicemails/${encodeURIComponent(id)}`);
    if (await confirm("Erase this message?", "Its sound and its words are removed for good.", "Erase", act))
      location.hash = "#/voicemail";
  }

  async #callBack(id) {
    try {
      await this.#api.post(`/v1/voicemails/${encodeURIComponent(id)}/callback`, {});
      toast("They will be called back");
    } catch (error) {
      toast(error.message, "bad");
    }
  }
}

function stateWord({ state, reason }) {
  const word = STATES[state] ?? state;
  return reason ? `${word}: ${reason.replaceAll("_", " ")}` : word;
}

function caller({ from = "", caller: number = from }) {
  return number.startsWith("+") ? phoneNumber(number) : number || "Unknown caller";
}

function row(message, isFirst) {
  const time = h("span.row-time", { title: exactly(message.received_at) }, when(message.received_at));
  const name = h("span.row-name");
  setText(name, caller(message));
  const under = h(
    "span.row-under",
    {},
    h("span.chip", { data: { status: CHIPS[message.state] ?? "" } }, STATES[message.state] ?? message.state),
    h("span.row-words", {}, message.transcript ?? ""),
  );
  const props = {
    href: `#/voicemail/${encodeURIComponent(message.id)}`,
    data: { id: message.id },
    tabindex: isFirst ? "0" : "-1",
  };
  return h("li", {}, h("a.row", props, h("span.row-way", {}, icon("voicemail")), name, time, under));
}
