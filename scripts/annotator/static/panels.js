/** The panels of objects, frame and history, and the status line. */

import { edit, link, linkState, pending } from "./link.js";
import { activeObject, announce, frameState, on, setFrame, store } from "./store.js";
import { setPlaying } from "./timeline.js";
import { openHere } from "./view.js";

const $ = (id) => document.getElementById(id);

export function choose(label) {
  store.active = label;
  announce("active");
}

export function addObject() {
  const { label, name, colour } = store.next;
  if (label === null) return announce("problem", `There are ${store.limits.objects} objects already, the most that a mask can hold.`);
  store.choosesNext = true;
  edit({ kind: "add", name, colour }).then((saved) => { if (!saved) store.choosesNext = false; });
}

/** Label of the object to draw: the chosen one, or Object 1, which the first stroke makes; null when it is locked. */
export function labelToDraw() {
  const object = activeObject();
  if (object?.locked) return announce("problem", `${object.name} is locked: unlock it first.`) ?? null;
  if (!object && !pending.some(({ body }) => body.kind === "add")) addObject();
  return object?.label ?? store.next.label;
}

export function chooseByNumber(number) {
  const object = store.objects[number - 1];
  if (object) choose(object.label);
}

function refreshFrame() {
  if (!store.video) return;
  const state = frameState(store.frame);
  $("review").setAttribute("aria-pressed", String(state.reviewed));
  $("key").disabled = !state.version || state.drawn.length > 0;
  $("clear").disabled = !state.version;
  if (document.activeElement !== $("frame")) $("frame").value = String(store.frame); // it may be being typed
  $("frame").max = String(store.video.frames - 1);
  $("frame-of").textContent = `(0 to ${store.video.frames - 1})`;
  const seconds = store.frame / store.video.fps;
  $("seconds").textContent = `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}

export const toggleReview = () => {
  const on = !frameState(store.frame).reviewed;
  edit({ kind: "review", first: store.frame, last: store.frame, on });
};
export const keep = () => edit({ kind: "key", frame: store.frame });

/** Undo or redo on the server, then go to the nearest frame that it changed, so that the user sees it. */
async function step(kind) {
  if (store[kind] === null && !pending.length) return;
  const from = store.frame;
  const change = await edit({ kind });
  const frames = change ? change.frames.map(([frame]) => frame) : [];
  if (!frames.length || frames.includes(from) || store.frame !== from) return; // the user has gone on meanwhile
  setPlaying(false);
  const away = (frame) => Math.abs(frame - store.frame);
  setFrame(frames.reduce((best, frame) => (away(frame) < away(best) ? frame : best)));
}
export const undo = () => step("undo");
export const redo = () => step("redo");

function refreshHistory() {
  $("undo").disabled = store.undo === null && !pending.length && !openHere();
  $("redo").disabled = store.redo === null;
}

function refreshSaved() {
  const saved = $("saved");
  saved.textContent = linkState();
  saved.classList.toggle("lost", Boolean(link.trouble || link.refused || !link.listening));
  saved.classList.toggle("busy", saved.textContent !== "Saved");
}

function refreshStart() {
  const hint = $("start-hint");
  hint.hidden = !store.video || store.objects.length > 0;
  hint.textContent = "Draw an object on any frame: the first stroke makes Object 1.";
  $("title").textContent = store.video?.name ?? "Annotator";
  const { width, height, frames, fps } = store.video ?? {};
  $("subtitle").textContent = store.video ? `${width} × ${height}, ${frames} frames, ${Math.round(fps * 100) / 100} per second` : "";
}

$("clear").addEventListener("click", () => edit({ kind: "clear", frame: store.frame }));

on("document frame", refreshFrame);
on("document loaded", () => { refreshHistory(); refreshStart(); });
on("pending draft frame", refreshHistory);
on("pending connection", refreshSaved);
