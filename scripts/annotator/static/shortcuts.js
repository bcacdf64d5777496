/** All shortcuts: what each key does, the help's text about it, and the button that does the same. */

import { openExport } from "./exporting.js";
import { edit } from "./link.js";
import { copy, copyFrom, endPreview, paste } from "./mending.js";
import * as panels from "./panels.js";
import { cancelPropagation, propagate } from "./propagation.js";
import { nudge } from "./shifting.js";
import { activeObject, announce, rangeOf, setFrame, store } from "./store.js";
import { nextPlace } from "./suspicion.js";
import { nextDrawn, setPlaying } from "./timeline.js";
import * as tools from "./tools.js";
import { TOOLS } from "./toolbar.js";
import { fit, view, zoom } from "./view.js";
import { nextMode } from "./views.js";

/** Go a number of frames on, or back. */
export function step(frames) {
  setPlaying(false);
  setFrame(store.frame + frames);
}

function jump(direction) {
  const frame = nextDrawn(direction);
  if (frame !== null) step(frame - store.frame);
}

function look() {
  setPlaying(false);
  if (!nextPlace()) announce("notice", "No frame looks wrong.");
}

function setRange(first, last) {
  const whole = first <= 0 && last >= store.video.frames - 1;
  store.range = whole || first > last ? null : [first, last];
  announce("range");
}

function change(field) {
  const object = activeObject();
  if (object) edit({ kind: "change", object: object.label, [field]: !object[field] });
}

function removeHere() {
  const object = activeObject();
  if (object) edit({ kind: "erase", object: object.label, first: store.frame, last: store.frame });
}

function toggleLoop() {
  store.loop = !store.loop;
  announce("playing");
}

function toggleMasks() {
  store.masksShown = !store.masksShown;
  announce("look");
}

const radiusStep = (radius) => (radius < 10 ? 1 : Math.max(2, Math.round(radius / 8)));
/** A pixel of the screen, but at least one of the video. */
const nudgeStep = () => Math.max(1, Math.round(1 / view.scale));

/** Groups of [text, {key: [action, id of its button]}]; mouse actions have text instead of keys. */
export const SHORTCUTS = {
  Tools: [
    ...Object.entries(TOOLS).map(([tool, { name, key }]) => [name, { [key.toLowerCase()]: [() => tools.chooseTool(tool)] }]),
    ["Brush size", {
      "[": [() => tools.setRadius(store.radius - radiusStep(store.radius - 1))],
      "]": [() => tools.setRadius(store.radius + radiusStep(store.radius))],
    }],
    ["Close the polygon", { Enter: [tools.closePolygon] }],
    ["Remove the polygon's last corner", { Backspace: [tools.dropCorner] }],
    ["Discard the shape; cancel a propagation", { Escape: [() => tools.dropDraft() || endPreview() || cancelPropagation()] }],
  ],
  Mouse: [
    ["Erase; scribble on the background; remove a corner", "Right button"],
    ["Box and polygon erase; the eraser erases all objects", "Alt"],
    ["The guess replaces the mask; the shift tool scales", "Shift"],
    ["Choose the object there; also a click with Shift or Move", "Ctrl click"],
    ["Close the polygon", "Double click"],
    ["Move the video", "Middle button"],
    ["Zoom", "Wheel, two fingers"],
    ["Zoom, move the timeline", "Ctrl, Shift wheel"],
  ],
  View: [
    ["Zoom", { "+": [() => zoom(1.25), "zoom-in"], "-": [() => zoom(0.8), "zoom-out"] }],
    ["Fit the video into the window", { f: [fit, "zoom-fit"] }],
    ["Zoom to 100 %", { 0: [() => zoom(1 / view.scale / devicePixelRatio)] }],
    ["Show or hide masks", { m: [toggleMasks] }],
    ["Next way to show masks", { w: [nextMode] }],
    ["Export", { "ctrl+e": [openExport, "export"] }],
  ],
  "Correct masks": [
    ["Copy the mask of the previous, next frame", { q: [() => copyFrom("previous"), "copy-previous"], y: [() => copyFrom("next"), "copy-next"] }],
    ["Copy it from the nearest drawn or reviewed frame", { d: [() => copyFrom("nearest"), "copy-nearest"] }],
    ["Copy, paste on this frame", { "ctrl+c": [copy], "ctrl+v": [() => paste(false)] }],
    ["Paste on the range", { "ctrl+shift+v": [() => paste(true)] }],
    ["Shift the mask", {
      "ctrl+ArrowLeft": [() => nudge(-nudgeStep(), 0)],
      "ctrl+ArrowRight": [() => nudge(nudgeStep(), 0)],
      "ctrl+ArrowUp": [() => nudge(0, -nudgeStep())],
      "ctrl+ArrowDown": [() => nudge(0, nudgeStep())],
    }],
    ["Scale the mask", { "ctrl+shift+ArrowUp": [() => nudge(0, 0, 1.02)], "ctrl+shift+ArrowDown": [() => nudge(0, 0, 1 / 1.02)] }],
  ],
  Objects: [
    ["New object", { n: [panels.addObject, "add"] }],
    ["Choose an object", "1 to 9"],
    ["Hide, lock the chosen object", { h: [() => change("hidden")], l: [() => change("locked")] }],
    ["Remove it from this frame", { Delete: [removeHere] }],
  ],
  Frames: [
    ["One frame back, forward", { ArrowLeft: [() => step(-1), "prev"], ArrowRight: [() => step(1), "next"] }],
    ["Ten frames", { "shift+ArrowLeft": [() => step(-10)], "shift+ArrowRight": [() => step(10)] }],
    ["First, last frame", { Home: [() => step(-Infinity)], End: [() => step(Infinity)] }],
    ["Previous, next drawn frame", { ",": [() => jump(-1), "prev-drawn"], ".": [() => jump(1), "next-drawn"] }],
    ["Go to the most suspicious frame, then the next", { j: [look, "places"] }],
    ["Play, pause", { " ": [() => setPlaying(!store.playing), "play"] }],
    ["Loop over the range", { o: [toggleLoop, "loop"] }],
    ["Reviewed: propagation does not change the frame", { r: [panels.toggleReview, "review"] }],
    ["Use as drawn: propagation starts here, too", { k: [panels.keep, "key"] }],
  ],
  Propagation: [
    ["Range: start, end, all", {
      i: [() => setRange(store.frame, Math.max(store.frame, rangeOf()[1])), "range-in"],
      u: [() => setRange(Math.min(store.frame, rangeOf()[0]), store.frame), "range-out"],
      a: [() => setRange(0, store.video.frames - 1), "range-all"],
    }],
    ["Propagate", { t: [propagate, "propagate"] }],
    ["Undo, redo", {
      "ctrl+z": [() => tools.dropCorner() || tools.dropDraft() || panels.undo(), "undo"],
      "ctrl+shift+z": [panels.redo, "redo"],
    }],
  ],
};

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", ctrl: "Ctrl", shift: "Shift", " ": "Space" };

/** A key as people read it: "ctrl+z" is "Ctrl+Z". */
export function readable(key) {
  const sign = (part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part);
  return key.length === 1 ? sign(key) : key.split("+").map(sign).join("+");
}

/** Action by key. */
export const KEYS = {};
for (const [, keys] of Object.values(SHORTCUTS).flat()) {
  if (typeof keys === "string") continue;
  for (const [key, [action, id]] of Object.entries(keys)) {
    KEYS[key] = action;
    const button = id && document.getElementById(id);
    if (!button) continue;
    button.addEventListener("click", action);
    button.dataset.key = readable(key);
    button.title = `${button.title || button.textContent} (${readable(key)})`;
  }
}
for (let number = 1; number <= 9; number++) KEYS[number] = () => panels.chooseByNumber(number);
Object.assign(KEYS, { "=": KEYS["+"], "ctrl+y": KEYS["ctrl+shift+z"] });
