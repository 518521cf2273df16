/** The desk: signs in, follows the host, and shows the view that the address names. No token is ever in an address. */

import { toast } from "../dom.js";
import { talk } from "../talk/talk.js";
import { Api } from "./api.js";
import { askForToken, dialOut } from "./dialogs.js";
import { HistoryView } from "./history-view.js";
import { HostView } from "./host-view.js";
import { LiveCalls } from "./live-calls.js";
import { LiveView } from "./live-view.js";
import { watchTheme } from "./theme.js";
import { VoicemailView } from "./voicemail-view.js";

const TITLES = {
  live: "Live calls",
  history: "History",
  voicemail: "Voicemail",
  host: "Host",
  talk: "Your call",
};
const TICK_MS = 1000;

const at = (id) => document.getElementById(id);
const base = new URL(".", location.href).href.replace(/\/$/, "");

const api = new Api(base);
api.askForToken = async (refused) => (route().view === "talk" ? "" : askForToken(refused));
let me = { name: "", scopes: [], listen_in: false, voicemail: false };
const who = () => me;

const live = new LiveCalls(api);
const host = new HostView(api, base, who, (readiness) => talk.ready(readiness));
talk.onOver = () => host.engines.watch();
const dial = () => dialOut(api).then((call) => call && go("live", call.id));
const callNow = () => {
  go("talk");
  talk.begin();
};
const common = { api, me: who };
const views = {
  live: new LiveView(at("live"), { ...common, live, begin: { call: callNow, dial } }),
  history: new HistoryView(at("history"), common),
  voicemail: new VoicemailView(at("voicemail"), common),
};

// --- where we are --------------------------------------------------------------------------------------------

function route() {
  const [view = "", id = ""] = location.hash.replace(/^#\/?/, "").split("/");
  return { view: view in TITLES ? view : "live", id: decodeURIComponent(id) };
}

function go(view, id = "") {
  location.hash = `#/${view}${id && `/${encodeURIComponent(id)}`}`;
}

let shown = "";

function arrive() {
  const { view, id } = route();
  const moved = view !== shown;
  shown = view;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.dataset.view !== view;
  for (const link of document.querySelectorAll(".rail-link[data-view]"))
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  document.body.dataset.view = view;
  at("title").textContent = TITLES[view];
  document.title = `${TITLES[view]} · OpenClaw`;
  if (view !== "talk") begin();
  if (moved && view === "history") views.history.read();
  views[view]?.open(id);
}

// --- signing in ----------------------------------------------------------------------------------------------

/** The talk view needs none of this: somebody with a join token may be there. */
function begin() {
  if (!live.running) live.start();
}

/** Once the host lets us in: as whom, and what that person may do. */
async function learn() {
  me = { ...me, name: "…" };
  try {
    me = await api.get("/v1/me");
  } catch (error) {
    toast(error.message, "bad");
    return;
  }
  at("dial-button").hidden = !me.scopes.includes("call:control");
  at("leave-button").hidden = !api.token;
  for (const { view } of [views.live, views.history]) view.refresh();
  host.watch(true);
  at("voicemail-tab").hidden = !me.voicemail;
}

document.addEventListener("signin", async () => {
  api.token = await askForToken("");
  me.name = "";
  live.start();
});
at("leave-button").addEventListener("click", () => {
  api.token = "";
  location.reload();
});

// --- what stands on every view -------------------------------------------------------------------------------

at("talk-button").addEventListener("click", () => (talk.isLive ? go("talk") : callNow()));
at("dial-button").addEventListener("click", dial);
watchTheme(at("theme-button"));

live.addEventListener("change", () => {
  at("live-count").textContent = live.count || "";
  if (live.state === "live" && !me.name) learn();
});
document.addEventListener("callerased", () => {
  go("history");
  views.history.read();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const { search } = views[shown] ?? {};
  if (!search) return;
  event.preventDefault();
  search.focus();
});
setInterval(() => {
  const now = Date.now();
  if (document.hidden) return;
  views.live.tick(now);
  views.history.tick(now);
}, TICK_MS);

window.addEventListener("hashchange", arrive);
arrive();
