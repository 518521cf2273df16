/** What can be done to an opened call: listen in, speak, interrupt, mute, hold, keys, transfer, record, hang up, erase. */

import { h, icon, iconButton, setText, toast } from "../dom.js";
import { isLive } from "../format.js";
import { loudness } from "../talk/orb.js";
import { confirm, keypad, transfer } from "./dialogs.js";
import { ListeningIn } from "./listen.js";

const NO_CARRIER = new Set(["webrtc", "test"]);

export class CallActions {
  #api;
  #me;
  #call;
  #parts;
  #listening;
  #buttons;

  /**
   * @param {import("./api.js").Api} api
   * @param {() => {scopes: string[], listen_in: boolean}} me
   * @param {() => object|null} call the opened one
   * @param {{actions: HTMLElement, ears: HTMLElement, composer: HTMLFormElement}} parts where they go
   */
  constructor(api, me, call, parts) {
    [this.#api, this.#me, this.#call, this.#parts] = [api, me, call, parts];
    this.#listening = new ListeningIn(api);
    this.#buttons = {
      listen: iconButton("ear", "Listen in", { class: "plain", onclick: () => this.#listen() }),
      interrupt: iconButton("stop", "Interrupt", { class: "plain", onclick: () => this.#act("interrupt") }),
      mute: this.#toggle("mic-off", "Mute caller", "warn", (on) => (on ? "unmute" : "mute")),
      hold: this.#toggle("pause", "Hold", "warn", (on) => (on ? "resume" : "hold")),
      record: this.#toggle("record", "Record", "", (on) => (on ? "record_stop" : "record_start")),
      keys: iconButton("keys", "Keys", { class: "plain", onclick: () => keypad(api, this.#call().id) }),
      transfer: iconButton("transfer", "Transfer", {
        class: "plain",
        onclick: () => transfer(api, this.#call().id),
      }),
      hangup: iconButton("phone-down", "Hang up", {
        class: "plain",
        "data-tone": "bad",
        onclick: () => this.#hangUp(),
      }),
      erase: iconButton("trash", "Erase", {
        class: "plain",
        "data-tone": "bad",
        onclick: () => this.#erase(),
      }),
    };
    parts.actions.append(...Object.values(this.#buttons));
    this.#makeEars();
    this.#makeComposer();
  }

  /** Another call, or none. */
  reset() {
    this.#listening.stop();
    this.#parts.actions.hidden = true;
    this.#parts.composer.hidden = true;
  }

  /** As the call is now, and as far as this person may. */
  show() {
    const call = this.#call();
    const live = isLive(call);
    const { scopes, listen_in: permitted } = this.#me();
    const may = (scope) => scopes.includes(scope);
    const steers = live && may("call:control");
    const visible = {
      listen: live && may("call:listen"),
      interrupt: steers,
      mute: steers,
      hold: steers,
      record: steers && call.recording !== undefined,
      keys: steers,
      transfer: steers && !NO_CARRIER.has(call.transport),
      hangup: steers,
      erase: !live && may("admin"),
    };
    for (const [name, button] of Object.entries(this.#buttons)) button.hidden = !visible[name];
    this.#parts.actions.hidden = !Object.values(visible).some(Boolean);
    this.#parts.composer.hidden = !steers;
    this.#buttons.listen.disabled = !permitted;
    this.#buttons.listen.title = permitted
      ? ""
      : "This host lets nobody listen: calls.listen_in = true would";
    press(this.#buttons.mute, call.muted, "Unmute caller", "Mute caller");
    press(this.#buttons.hold, call.held, "End hold", "Hold");
    press(this.#buttons.record, call.recording, "Stop recording", "Record");
    if (!live) this.#listening.stop();
  }

  #toggle(name, label, tone, action) {
    const button = iconButton(name, label, {
      class: "plain",
      "data-tone": tone || null,
      onclick: () => this.#act(action(button.dataset.on === "true")),
    });
    return button;
  }

  async #act(action, body) {
    try {
      await this.#api.act(this.#call().id, action, body);
      return true;
    } catch (error) {
      toast(error.message, "bad");
      return false;
    }
  }

  #hangUp() {
    const { id } = this.#call();
    const act = () => this.#api.act(id, "hangup");
    return confirm(
      "Hang up?",
      "The call ends for the caller, in the middle of what is being said.",
      "Hang up",
      act,
    );
  }

  async #erase() {
    const { id } = this.#call();
    const text = "Its record, its transcript and its recordings are removed for good.";
    const erased = await confirm("Erase this call?", text, "Erase", () =>
      this.#api.json("DELETE", `/v1/calls/${encodeURIComponent(id)}`),
    );
    if (!erased) return;
    toast("The call is erased");
    document.dispatchEvent(new CustomEvent("callerased", { detail: { id } }));
  }

  // --- listening in ------------------------------------------------------------------------------------------

  #makeEars() {
    const meters = ["Caller", "Agent"].map((side, number) => {
      const meter = h("span.level", {
        role: "meter",
        "aria-label": `${side}'s level`,
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "aria-valuenow": "0",
      });
      this.#parts.ears.append(h("span.ear", { data: { side: number ? "agent" : "you" } }, side, meter));
      return meter;
    });
    this.#parts.ears.prepend(icon("ear"), h("span.ear-state", { role: "status" }));
    this.#listening.addEventListener("level", ({ detail: { caller, agent } }) => {
      for (const [meter, rms] of [
        [meters[0], caller],
        [meters[1], agent],
      ]) {
        const level = loudness(rms);
        meter.setAttribute("aria-valuenow", Math.round(level * 100));
        meter.style.setProperty("--level", level.toFixed(2));
      }
    });
    this.#listening.addEventListener("state", ({ detail: { state } }) => {
      this.#parts.ears.hidden = state === "off";
      setText(
        this.#parts.ears.querySelector(".ear-state"),
        state === "on" ? "You are listening" : "Connecting…",
      );
      press(this.#buttons.listen, state !== "off", "Stop listening", "Listen in");
    });
  }

  async #listen() {
    if (this.#listening.state !== "off") return this.#listening.stop();
    try {
      await this.#listening.start(this.#call().id);
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  // --- speaking ----------------------------------------------------------------------------------------------

  #makeComposer() {
    const who = h(
      "select",
      { "aria-label": "Who says it" },
      h("option", { value: "say" }, "As agent"),
      h("option", { value: "send_text" }, "As caller"),
    );
    const text = h("input", {
      type: "text",
      placeholder: "Say a line…",
      autocomplete: "off",
      maxlength: "4096",
      "aria-label": "What to say",
    });
    const send = h("button.primary.round", { type: "submit", "aria-label": "Say it" }, icon("send"));
    this.#parts.composer.append(who, text, send);
    this.#parts.composer.addEventListener("submit", async (event) => {
      event.preventDefault();
      const line = text.value.trim();
      if (line && (await this.#act(who.value, { text: line }))) text.value = "";
    });
  }
}

function press(button, on, whenOn, whenOff) {
  button.dataset.on = Boolean(on);
  setText(button.querySelector(".label"), on ? whenOn : whenOff);
}
