/**
 * Server-sent events over fetch: an EventSource can send no Authorization header. Comes back by itself, behind the last
 * event that it saw.
 */

import { ApiError } from "./api.js";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
/** The host says something every 15 s, if only a comment: a stream that is quiet for three of them is dead. */
const SILENT_MS = 45_000;

/**
 * Follow a stream until it ends for good or is aborted.
 *
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {object} on
 * @param {(event: object) => void} on.event each event, parsed
 * @param {(state: "open"|"lost") => void} [on.state] whether it is connected
 * @param {AbortSignal} signal
 * @throws {ApiError} the host refuses, and would again
 */
export async function follow(api, path, { event, state = () => {} }, signal) {
  let lastId = "";
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const response = await api.open(path, { headers, signal });
      if (response.status === 204) return; // it is over, and we have all of it
      state("open");
      for await (const message of messages(response.body, signal)) {
        tries = 0;
        lastId = message.id || lastId;
        event(JSON.parse(message.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429)
        throw error;
    }
    if (signal.aborted) return;
    state("lost");
    await pause(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] * (1 + Math.random() / 5), signal);
  }
}

/** The messages of a body (HTML standard, section 9.2.6): each with its id and its data. */
async function* messages(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await within(reader.read(), SILENT_MS, signal);
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = parse(block);
        if (message.data) yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const message = { id: "", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const field = line.slice(0, colon);
    if (colon > 0 && field in message) message[field] += line.slice(colon + 1).trimStart();
  }
  return message;
}

function within(promise, ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("silent")), ms);
    const stop = () => reject(new Error("aborted"));
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    });
  });
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
