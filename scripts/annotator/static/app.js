/** Starts the page, and what keys and the remaining buttons do. */

import "./remember.js"; // it restores what the others then show
import "./dropping.js";
import { isOpen, openHelp } from "./dialogs.js";
import { openExport } from "./exporting.js";
import { icon, placeIcons } from "./icons.js";
import { shortcutOf } from "./keys.js";
import { edit, link, listen, pending } from "./link.js";
import { copy, copyFrom, endPreview, paste } from "./mending.js";
import "./objects.js";
import * as panels from "./panels.js";
import * as pictures from "./pictures.js";
import { audio } from "./sound.js";
import { cancelPropagation, propagate } from "./propagation.js";
import { nudge } from "./shifting.js";
import { activeObject, announce, on, rangeOf, setFrame, store } from "./store.js";
import { nextPlace } from "./suspicion.js";
import { nextDrawn, setPlaying } from "./timeline.js";
import * as tools from "./tools.js";
import { fit, view, zoom } from "./view.js";
import { nextMode } from "./views.js";

const $ = (id) => document.getElementById(id);
const TOAST = 6000; // ms

function step(frames) {
  setPlaying(false);
  setFrame(store.frame + frames);
}

function jump(direction) {
  const frame = nextDrawn(direction);
  if (frame !== null) { setPlaying(false); setFrame(frame); }
}

function look() {
  setPlaying(false);
  if (!nextPlace()) announce("notice", "No frame looks wrong by now.");
}

function setRange(first, last) {
  const whole = first <= 0 && last >= store.video.frames - 1;
  store.range = whole || first > last ? null : [first, last];
  announce("range");
}
const rangeIn = () => setRange(store.frame, Math.max(store.frame, rangeOf()[1]));
const rangeOut = () => setRange(Math.min(store.frame, rangeOf()[0]), store.frame);
const rangeAll = () => setRange(0, store.video.frames - 1);

function change(field) {
  const object = activeObject();
  if (object) edit({ kind: "change", object: object.label, [field]: !object[field] });
}

function takeOff() {
  const object = activeObject();
  if (object) edit({ kind: "erase", object: object.label, first: store.frame, last: store.frame });
}

function toggleLoop() {
  store.loop = !store.loop;
  announce("playing");
}

const radiusStep = (radius) => (radius < 10 ? 1 : Math.max(2, Math.round(radius / 8)));
/** A pixel of the screen, but at least one of the video. */
const nudgeStep = () => Math.max(1, Math.round(1 / view.scale));

const undo = () => tools.dropCorner() || tools.dropDraft() || panels.undo();

const KEYS = {
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), "shift+ArrowLeft": () => step(-10), "shift+ArrowRight": () => step(10),
  Home: () => step(-Infinity), End: () => step(store.video.frames), ",": () => jump(-1), ".": () => jump(1), j: look,
  "[": () => tools.setRadius(store.radius - radiusStep(store.radius - 1)), "]": () => tools.setRadius(store.radius + radiusStep(store.radius)),
  n: panels.addObject, r: panels.toggleReview, k: panels.keep, t: propagate, h: () => change("hidden"), l: () => change("locked"),
  i: rangeIn, u: rangeOut, a: rangeAll, o: toggleLoop, Delete: takeOff,
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), f: fit, "0": () => zoom(1 / view.scale / devicePixelRatio),
  w: nextMode, m: () => { store.masksShown = !store.masksShown; announce("look"); },
  "?": openHelp, "ctrl+z": undo, "ctrl+shift+z": panels.redo, "ctrl+y": panels.redo, "ctrl+e": openExport,
  q: () => copyFrom("previous"), y: () => copyFrom("next"), d: () => copyFrom("nearest"),
  "ctrl+c": copy, "ctrl+v": () => paste(false), "ctrl+shift+v": () => paste(true),
  "ctrl+ArrowLeft": () => nudge(-nudgeStep(), 0), "ctrl+ArrowRight": () => nudge(nudgeStep(), 0), "ctrl+ArrowUp": () => nudge(0, -nudgeStep()), "ctrl+ArrowDown": () => nudge(0, nudgeStep()),
  "ctrl+shift+ArrowUp": () => nudge(0, 0, 1.02), "ctrl+shift+ArrowDown": () => nudge(0, 0, 1 / 1.02),
  Enter: tools.closePolygon, Backspace: tools.dropCorner,
  Escape: () => tools.dropDraft() || endPreview() || cancelPropagation(),
};
for (const [tool, { key }] of Object.entries(tools.TOOLS)) KEYS[key.toLowerCase()] = () => tools.chooseTool(tool);
for (let number = 1; number <= 9; number++) KEYS[String(number)] = () => panels.chooseByNumber(number);

const typing = (element) => element.matches("input:not([type=range]):not([type=color]), textarea, select");
const pressing = (element) => element.matches("button, input[type=color], a");

const isSpace = (event) => event.code === "Space" || event.key === " ";

let spaceMoved = false;

addEventListener("keydown", (event) => {
  if (!store.video || isOpen() || typing(event.target)) return;
  if (isSpace(event)) {
    if (pressing(event.target)) return;
    event.preventDefault();
    if (!event.repeat) { tools.held.space = true; spaceMoved = false; announce("tool"); }
    return;
  }
  if (event.key === "Enter" && pressing(event.target)) return;
  if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  const name = shortcutOf(event, KEYS);
  if (!name) return;
  event.preventDefault();
  KEYS[name]();
});

addEventListener("keyup", (event) => {
  if (!isSpace(event) || !tools.held.space) return;
  tools.held.space = false;
  announce("tool");
  if (!spaceMoved && !isOpen()) setPlaying(!store.playing);
});
addEventListener("blur", () => { // the window that has the focus now gets the keyup
  tools.held.space = false;
  announce("tool");
});
$("view").addEventListener("pointerdown", () => { spaceMoved = true; });

// A clicked button gives the focus back, or the next space would press it again
addEventListener("click", (event) => {
  if (event.detail && !isOpen() && event.target.closest?.("button")) $("view").focus({ preventScroll: true });
}, true);
addEventListener("beforeunload", (event) => {
  if (pending.length || view.draft) event.preventDefault();
});

const actions = {
  prev: () => step(-1), next: () => step(1), "prev-drawn": () => jump(-1), "next-drawn": () => jump(1), play: () => setPlaying(!store.playing),
  undo, redo: panels.redo, "zoom-in": () => zoom(1.25), "zoom-out": () => zoom(0.8), "zoom-fit": fit, "range-in": rangeIn, "range-out": rangeOut, "range-all": rangeAll, loop: toggleLoop,
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
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
window.annotator = { store, view, pictures, link, pending, audio }; // for whoever looks from the console, and for tests
announce("tool");
