/** The side panel and the top bar: objects, this frame, propagation, what is saved. */

import { askRemoval, openWeights } from "./dialogs.js";
import { icon } from "./icons.js";
import { edit, link, linkState, pending, post, send, takeBack } from "./link.js";
import { announce, frameState, on, rangeOf, setFrame, store } from "./store.js";
import { setPlaying } from "./timeline.js";

const $ = (id) => document.getElementById(id);

export function choose(label) {
  store.active = label;
  announce("active");
}

export function addObject() {
  const { label, colour } = store.next;
  if (label === null) return announce("problem", "There are 255 objects, which is as many as a mask can hold.");
  store.choosesNext = true;
  edit({ kind: "add", name: `Object ${label}`, colour }).then((saved) => { if (!saved) store.choosesNext = false; });
}

const objectAt = (index) => store.objects[index];

export function chooseByNumber(number) {
  const object = objectAt(number - 1);
  if (object) choose(object.label);
}

/** An object with its pending changes. */
const changed = (object) => pending.reduce((sofar, { body }) => (body.kind === "change" && body.object === object.label ? { ...sofar, ...body } : sofar), object);

const rows = new Map(); // label -> {item, show}

/** Update the rows in place: a click or a name that is being typed needs its row to stay. */
function refreshObjects() {
  const list = $("objects");
  const labels = new Set(store.objects.map((each) => each.label));
  for (const [label, { item }] of rows) if (!labels.has(label)) { rows.delete(label); item.remove(); }
  store.objects.forEach((object, index) => {
    if (!rows.has(object.label)) rows.set(object.label, makeRow(object.label));
    const { item, show } = rows.get(object.label);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    show(changed(object));
  });
  $("no-objects").hidden = store.objects.length > 0;
}

/** Make the row of an object, and the function that updates it. */
function makeRow(label) {
  const item = document.createElement("li");
  const now = () => changed(store.objects.find((each) => each.label === label));
  const change = (body) => edit({ kind: "change", object: label, ...body });
  const choosing = () => { if (store.active !== label) choose(label); };
  item.dataset.label = String(label);
  item.addEventListener("pointerdown", choosing);

  const colour = Object.assign(document.createElement("input"), { type: "color" });
  colour.addEventListener("change", () => change({ colour: colour.value }));

  const name = Object.assign(document.createElement("input"), { type: "text", maxLength: 80, title: `Label ${label} in masks` });
  name.setAttribute("aria-label", `Name of object ${label}`);
  name.addEventListener("focus", choosing);
  name.addEventListener("change", () => {
    if (name.value.trim()) change({ name: name.value });
  });
  name.addEventListener("blur", refreshObjects);
  name.addEventListener("keydown", (event) => {
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    if (event.key === "Escape") name.value = now().name;
    $("view").focus();
  });

  const button = (action) => {
    const made = document.createElement("button");
    made.addEventListener("click", action);
    return made;
  };
  const mark = (made, look, title) => {
    if (made.dataset.icon !== look) made.replaceChildren(icon(made.dataset.icon = look));
    made.title = title;
    made.setAttribute("aria-label", title);
  };
  const hide = button(() => change({ hidden: !now().hidden })), lock = button(() => change({ locked: !now().locked }));
  const remove = button(() => askRemoval(now()));
  item.append(colour, name, hide, lock, remove);

  const show = (object) => {
    item.classList.toggle("active", label === store.active);
    item.classList.toggle("is-hidden", object.hidden);
    item.setAttribute("aria-current", String(label === store.active));
    if (document.activeElement !== colour) colour.value = object.colour;
    colour.setAttribute("aria-label", `Colour of ${object.name}`);
    if (document.activeElement !== name) name.value = object.name;
    mark(hide, object.hidden ? "eyeoff" : "eye", `Hide ${object.name}`);
    mark(lock, object.locked ? "lock" : "unlock", `Lock ${object.name}`);
    hide.setAttribute("aria-pressed", String(object.hidden));
    lock.setAttribute("aria-pressed", String(object.locked));
    mark(remove, "trash", `Remove ${object.name}`);
  };
  return { item, show };
}

function refreshFrame() {
  if (!store.video) return;
  const state = frameState(store.frame);
  $("review").setAttribute("aria-pressed", String(state.reviewed));
  $("key").disabled = !state.version || state.drawn.length > 0;
  $("clear").disabled = !state.version;
  if (document.activeElement !== $("frame")) $("frame").value = String(store.frame); // it may be being typed
  $("frame").max = String(store.video.frames - 1);
  $("frame-of").textContent = `of ${store.video.frames - 1}`;
  const seconds = store.frame / store.video.fps;
  $("seconds").textContent = `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}

export const toggleReview = () => {
  const on = !frameState(store.frame).reviewed;
  edit({ kind: "review", first: store.frame, last: store.frame, on });
};
export const keep = () => edit({ kind: "key", frame: store.frame });
export const clearFrame = () => edit({ kind: "clear", frame: store.frame });

/** Undo or redo on the server, then go to the nearest frame that it changed, so that the user sees it. */
async function step(path, what) {
  if (what === null && !pending.length) return;
  const from = store.frame;
  const change = await send(path);
  const frames = change ? change.frames.map(([frame]) => frame) : [];
  if (!frames.length || frames.includes(from) || store.frame !== from) return; // the user has gone on meanwhile
  setPlaying(false);
  const away = (frame) => Math.abs(frame - store.frame);
  setFrame(frames.reduce((best, frame) => (away(frame) < away(best) ? frame : best)));
}
export const undo = () => takeBack() || step("/api/undo", store.undo);
export const redo = () => step("/api/redo", store.redo);

const NAMES = {
  stroke: "a stroke", polygon: "a polygon", box: "a box", scribble: "a scribble", guess: "a guess", clear: "clearing a frame",
  key: "keeping a frame", erase: "removing an object from frames", review: "a review", add: "a new object", change: "a change of an object",
  remove: "removing an object", propagate: "a propagation", masks: "masks brought in",
};

function refreshHistory() {
  $("undo").disabled = store.undo === null && !pending.length;
  $("redo").disabled = store.redo === null;
  $("undo").title = store.undo ? `Undo ${NAMES[store.undo]} (Ctrl+Z)` : "Nothing to undo";
  $("redo").title = store.redo ? `Redo ${NAMES[store.redo]} (Ctrl+Shift+Z)` : "Nothing to redo";
}

function refreshSaved() {
  const saved = $("saved");
  saved.textContent = linkState();
  saved.classList.toggle("lost", Boolean(link.trouble || link.refused || !link.listening));
  saved.classList.toggle("busy", saved.textContent !== "Saved");
}

function refreshPropagation() {
  if (!store.video) return;
  const [first, last] = rangeOf();
  $("range-text").textContent = store.range ? `Frames ${first} to ${last}` : "The whole video";
  for (const button of document.querySelectorAll("[data-direction]")) button.setAttribute("aria-checked", String(button.dataset.direction === store.direction));
  const job = store.job;
  const running = job?.state === "running";
  const drawn = [...store.frames.values()].some((state) => state.drawn.length);
  $("propagate").disabled = running || !drawn;
  $("propagate").hidden = running;
  $("fit-again").disabled = !drawn;
  $("fit-again").hidden = running || store.model.kind !== "fitted";
  $("job").hidden = !job || (job.state === "done" && job.kind !== "fit"); // whose text says which objects may be lost
  if (!job) return;
  const titles = { propagate: "Propagating", export: "Exporting", fit: "Fitting a network", download: "Fetching weights" };
  $("job-text").textContent = running ? `${titles[job.kind]}${job.text ? `: ${job.text}` : ""}` : job.text;
  $("cancel").hidden = $("job-progress").hidden = !running;
  if (job.total) Object.assign($("job-progress"), { max: job.total, value: job.done });
  else $("job-progress").removeAttribute("value");
}

export async function propagate() {
  if ($("propagate").disabled) return;
  if (!store.model.kind) return openWeights();
  const [first, last] = rangeOf();
  const { direction } = store;
  try {
    await post("/api/propagate", { first, last, forward: direction !== "backward", backward: direction !== "forward" });
  } catch (error) {
    announce("problem", error.message);
  }
}

function cancelJob() {
  if (store.job?.state === "running") post("/api/cancel").catch((error) => announce("problem", error.message));
}

export function cancelPropagation() {
  if (store.job?.kind === "propagate") cancelJob();
}

function refreshStart() {
  const hint = $("start-hint");
  hint.hidden = !store.video || store.objects.length > 0;
  hint.textContent = "Press N for a new object, then draw it on the video.";
  $("title").textContent = store.video?.name ?? "Annotator";
  const { width, height, frames, fps } = store.video ?? {};
  $("subtitle").textContent = store.video ? `${width} × ${height}, ${frames} frames, ${Math.round(fps * 100) / 100} per second` : "";
  document.title = store.video ? `${store.video.name} · Annotator` : "Annotator";
}

for (const button of document.querySelectorAll("[data-direction]")) {
  button.addEventListener("click", () => { store.direction = button.dataset.direction; refreshPropagation(); });
}
$("add").addEventListener("click", addObject);
$("review").addEventListener("click", toggleReview);
$("key").addEventListener("click", keep);
$("clear").addEventListener("click", clearFrame);
$("propagate").addEventListener("click", propagate);
$("fit-again").addEventListener("click", openWeights);
$("cancel").addEventListener("click", cancelJob);

on("document active pending", refreshObjects);
on("document frame", refreshFrame);
on("document loaded", () => { refreshHistory(); refreshStart(); });
on("pending", refreshHistory);
on("pending connection", refreshSaved);
on("document job range loaded model", refreshPropagation);
on("job", (job) => { if (job?.state === "failed") announce("problem", job.text); });
