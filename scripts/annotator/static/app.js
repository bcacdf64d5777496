/** Starts the page, and gives keys and the remaining buttons their actions. */

import "./remember.js"; // it restores what the others then show
import "./dropping.js";
import { isOpen, openHelp } from "./dialogs.js";
import { icon, placeIcons } from "./icons.js";
import { shortcutOf } from "./keys.js";
import { link, listen, pending } from "./link.js";
import "./objects.js";
import * as pictures from "./pictures.js";
import "./pointer.js";
import { KEYS, readable, SHORTCUTS, step } from "./shortcuts.js";
import { audio } from "./sound.js";
import { announce, on, store } from "./store.js";
import { view } from "./view.js";

const $ = (id) => document.getElementById(id);
const TOAST = 6000; // ms

const names = (keys) => (typeof keys === "string" ? [keys] : Object.keys(keys).map(readable));
const help = () => openHelp(Object.entries(SHORTCUTS).map(([group, rows]) => [group, rows.map(([what, keys]) => [names(keys), what])]));
KEYS["?"] = help;
$("help").addEventListener("click", help);

const typing = (element) => element.matches("input:not([type=range]):not([type=color]), textarea, select");
const pressing = (element) => element.matches("button, input[type=color], a");

addEventListener("keydown", (event) => {
  if (!store.video || isOpen() || typing(event.target)) return;
  if ((event.key === "Enter" || event.key === " ") && (pressing(event.target) || event.repeat)) return;
  if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  const name = shortcutOf(event, KEYS);
  if (!name) return;
  event.preventDefault();
  KEYS[name]();
});

// A clicked button gives the focus back, or the next space would press it again
addEventListener("click", (event) => {
  if (event.detail && !isOpen() && event.target.closest?.("button")) $("view").focus({ preventScroll: true });
}, true);
addEventListener("beforeunload", (event) => {
  if (pending.length || view.draft) event.preventDefault();
});

$("frame").addEventListener("change", () => step(Number($("frame").value) - store.frame));
$("frame").addEventListener("keydown", (event) => { if (event.key === "Enter") $("view").focus(); });
$("frame").addEventListener("blur", () => announce("frame"));

on("playing restored", () => {
  $("play").replaceChildren(icon(store.playing ? "pause" : "play"));
  $("play").setAttribute("aria-label", store.playing ? "Pause" : "Play");
  $("loop").setAttribute("aria-pressed", String(store.loop));
});
for (const [topic, className] of [["problem", ""], ["notice", "good"]]) {
  on(topic, (textContent) => {
    const toast = Object.assign(document.createElement("div"), { textContent, className });
    $("toasts").append(toast);
    setTimeout(() => toast.remove(), TOAST);
  });
}

placeIcons();
listen();
window.annotator = { store, view, pictures, link, pending, audio }; // for tests and the console
announce("tool");
