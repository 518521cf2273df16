/** What the desk asks in a dialog: each resolves to the answer, or to null when the person turned away. */

import { h } from "../dom.js";

/**
 * Show a form in a modal dialog; Escape and Cancel close it.
 *
 * @param {object} what
 * @param {string} what.title
 * @param {string} [what.text]
 * @param {string} what.submit the word on the button
 * @param {boolean} [what.danger] it can't be undone
 * @param {Node[]} [what.fields] each control with a name
 * @param {(values: Object<string, string>) => Promise<any>} [what.act] done while the dialog is open: what it throws is
 *   shown, and the person may try again
 * @returns {Promise<any>} what `act` gave (or the values), null when it was left
 */
export function ask({
  title,
  text = "",
  submit,
  danger = false,
  fields = [],
  act = async (values) => values,
}) {
  return new Promise((resolve) => {
    const fault = h("p.fault", { role: "alert" });
    const send = h(danger ? "button.primary.danger" : "button.primary", { type: "submit" }, submit);
    const cancel = h("button.plain", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h("form", {}, ...fields, fault, h("div.dialog-end", {}, cancel, send));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" });
    dialog.append(h("h2", { id: "dialog-title" }, title), text && h("p.quiet", {}, text), form);
    let answer = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      fault.textContent = "";
      try {
        answer = await act(Object.fromEntries(new FormData(form)));
        dialog.close();
      } catch (error) {
        fault.textContent = error.message;
        send.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
    (fields.length ? form.querySelector("input, select, textarea") : send).focus();
  });
}

function labelled(text, control, note = "") {
  return h("label.labelled", {}, text, control, note && h("span.note-text", {}, note));
}

/** A token for the host. @param {string} refused the one that it did not take */
export async function askForToken(refused) {
  const values = await ask({
    title: "Sign in to the desk",
    text: "This host asks for a token: one of [auth] tokens, or a scoped one. It is kept until this tab is closed.",
    submit: "Sign in",
    fields: [
      h("p.fault", {}, refused ? "The host does not know this token (any more)." : ""),
      labelled(
        "Token",
        h("input", {
          type: "password",
          name: "token",
          required: true,
          autocomplete: "off",
          spellcheck: "false",
        }),
      ),
    ],
  });
  return values?.token.trim() ?? "";
}

/** Place a call. @returns {Promise<object|null>} the call */
export function dialOut(api) {
  const mode = h(
    "select",
    { name: "mode" },
    h("option", { value: "conversation" }, "A conversation with the agent"),
    h("option", { value: "notify" }, "Say a message and hang up"),
  );
  return ask({
    title: "Dial out",
    submit: "Call",
    fields: [
      labelled(
        "Whom",
        h("input", {
          type: "text",
          name: "to",
          required: true,
          placeholder: "+15550100001",
          autocomplete: "off",
          inputmode: "tel",
        }),
        "A number in E.164, or “test”: a line on which nobody speaks, to try things out.",
      ),
      labelled("How", mode),
      labelled(
        "First words",
        h("textarea", { name: "message", maxlength: "4096" }),
        "Empty: the agent's greeting.",
      ),
      labelled(
        "Agent",
        h("input", { type: "text", name: "agent", autocomplete: "off" }),
        "Empty: the default.",
      ),
    ],
    act: ({ to, mode: how, message, agent }) =>
      api.post("/v1/calls", {
        to: to.trim() === "test" ? "test" : to.replace(/[\s().-]/g, ""),
        mode: how,
        ...(message.trim() && { message: message.trim() }),
        ...(agent.trim() && { agent: agent.trim() }),
      }),
  });
}

/** Give a call to another number. */
export function transfer(api, callId) {
  return ask({
    title: "Transfer the call",
    text: "The caller is given to this number, and the call is over here.",
    submit: "Transfer",
    fields: [
      labelled(
        "To",
        h("input", {
          type: "tel",
          name: "to",
          required: true,
          placeholder: "+15550100001",
          autocomplete: "off",
        }),
      ),
    ],
    act: ({ to }) => api.act(callId, "transfer", { to: to.replace(/[\s().-]/g, "") }),
  });
}

/** A telephone's keys; each press is sent, and a whole row of them from the field. */
export function keypad(api, callId) {
  const digits = h("input", {
    type: "tel",
    name: "digits",
    pattern: "[0-9A-Da-d*#wW]{1,64}",
    placeholder: "or several: 1234#",
    autocomplete: "off",
    "aria-label": "Keys to send",
  });
  const fault = h("p.fault", { role: "alert" });
  const send = (keys) =>
    api.act(callId, "send_dtmf", { digits: keys }).then(
      () => (fault.textContent = ""),
      (error) => (fault.textContent = error.message),
    );
  const pad = h("div.keypad", { role: "group", "aria-label": "Keypad" });
  for (const key of "123456789*0#")
    pad.append(h("button.plain", { type: "button", onclick: () => send(key) }, key));
  return ask({
    title: "Send keys",
    submit: "Send",
    fields: [pad, digits, fault],
    act: (values) => send(values.digits),
  });
}

/** Is this really meant? @returns {Promise<boolean>} */
export async function confirm(title, text, submit, act) {
  return (await ask({ title, text, submit, danger: true, act: async () => (await act(), true) })) ?? false;
}
