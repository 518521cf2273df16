/**
 * <recording-player>: plays what was recorded of a call, in step with its transcript and its time line.
 *
 * The sound is fetched whole and played from memory: an audio element can't send an Authorization header, and a token in
 * an address would end up in logs and histories.
 */

import { h, icon, setText } from "../dom.js";
import { minutes } from "../format.js";

const STEP_S = 5;

class RecordingPlayer extends HTMLElement {
  #audio = h("audio", { preload: "metadata" });
  #button = h("button.primary.round", { type: "button" });
  #time = h("span.player-time", {}, "0:00");
  #slider = h("input", {
    type: "range",
    min: "0",
    max: "0",
    step: "0.1",
    value: "0",
    "aria-label": "Place in the recording",
  });
  #parts = h("select", { "aria-label": "Which recording", hidden: true });
  #state = h("p.quiet", { role: "status" });
  #load = null;
  #recordings = [];
  #url = "";
  #wanted = null;

  connectedCallback() {
    if (this.#button.isConnected) return;
    this.append(this.#button, this.#slider, this.#time, this.#parts, this.#state, this.#audio);
    this.#button.addEventListener("click", () => this.toggle());
    this.#slider.addEventListener("input", () => this.#goTo(Number(this.#slider.value)));
    this.#slider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#goTo(this.#audio.currentTime + step);
    });
    this.#parts.addEventListener("change", () => this.#choose(Number(this.#parts.value)));
    for (const kind of ["play", "pause", "ended"]) this.#audio.addEventListener(kind, () => this.#show());
    this.#audio.addEventListener("timeupdate", () => this.#moved());
    this.#audio.addEventListener("loadedmetadata", () => this.#ready());
    this.#show();
  }

  /** Nothing is to be played. */
  clear() {
    this.#audio.pause();
    this.#release();
    this.#recordings = [];
    this.hidden = true;
    this.#tell(null);
  }

  /**
   * Offer these for playing.
   * @param {{part: number, started_at: string, duration_ms: number, state: string}[]} recordings as the call has them
   * @param {(part: number) => Promise<Blob>} load fetches one
   */
  offer(recordings, load) {
    this.#load = load;
    this.#recordings = recordings.filter(({ state }) => state === "ready");
    this.hidden = this.#recordings.length === 0;
    if (this.hidden) return;
    this.#parts.replaceChildren(
      ...this.#recordings.map(({ part, duration_ms: ms }) =>
        h("option", { value: String(part) }, `Part ${part} (${minutes(ms)})`),
      ),
    );
    this.#parts.hidden = this.#recordings.length < 2;
    this.#choose(this.#recordings[0].part);
  }

  /** Go to a moment of the epoch (ms), in whichever recording holds it. @returns {boolean} whether one does */
  seek(moment) {
    const recording =
      this.#recordings.findLast(({ started_at: from }) => Date.parse(from) <= moment) ?? this.#recordings[0];
    if (!recording) return false;
    if (recording.part !== this.#part) this.#choose(recording.part);
    this.#goTo(Math.max(0, (moment - Date.parse(recording.started_at)) / 1000));
    if (this.#audio.paused) this.toggle();
    return true;
  }

  async toggle() {
    if (!this.#audio.paused) return this.#audio.pause();
    if (!this.#url && !(await this.#fetch())) return;
    await this.#audio.play().catch(() => {});
  }

  get #part() {
    return Number(this.#parts.value);
  }

  #choose(part) {
    this.#audio.pause();
    this.#release();
    this.#parts.value = String(part);
    const { duration_ms: ms } = this.#recordings.find((each) => each.part === part);
    this.#slider.max = String(ms / 1000);
    this.#wanted = null;
    this.#moved();
  }

  async #fetch() {
    setText(this.#state, "Loading the recording…");
    this.#button.disabled = true;
    try {
      this.#url = URL.createObjectURL(await this.#load(this.#part));
      this.#audio.src = this.#url;
      setText(this.#state, "");
      return true;
    } catch (error) {
      setText(this.#state, error.message);
      return false;
    } finally {
      this.#button.disabled = false;
    }
  }

  #release() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = "";
    this.#audio.removeAttribute("src");
    setText(this.#state, "");
  }

  #ready() {
    if (Number.isFinite(this.#audio.duration)) this.#slider.max = String(this.#audio.duration);
    if (this.#wanted !== null) this.#audio.currentTime = this.#wanted;
    this.#wanted = null;
  }

  #goTo(seconds) {
    const place = Math.min(Math.max(0, seconds), Number(this.#slider.max));
    if (this.#audio.readyState >= 1) this.#audio.currentTime = place;
    else this.#wanted = place;
    this.#moved(place);
  }

  #moved(seconds = this.#wanted ?? this.#audio.currentTime) {
    this.#slider.value = String(seconds);
    const words = `${minutes(seconds * 1000)} of ${minutes(Number(this.#slider.max) * 1000)}`;
    this.#slider.setAttribute("aria-valuetext", words);
    setText(this.#time, words.replace(" of ", " / "));
    const recording = this.#recordings.find(({ part }) => part === this.#part);
    if (recording) this.#tell(Date.parse(recording.started_at) + seconds * 1000);
  }

  #show() {
    const playing = !this.#audio.paused && !this.#audio.ended;
    this.#button.replaceChildren(icon(playing ? "pause" : "play"));
    this.#button.setAttribute("aria-label", playing ? "Pause" : "Play the recording");
    this.dataset.state = playing ? "playing" : "paused";
  }

  /** Where playback is: a moment of the epoch in ms, or null. */
  #tell(moment) {
    this.dispatchEvent(new CustomEvent("moment", { detail: { moment } }));
  }
}

customElements.define("recording-player", RecordingPlayer);
