/** The side panel and the top bar: objects, this frame, propagation, what is saved. */

import { askRemoval, openWeights } from "./dialogs.js";
import { icon } from "./icons.js";
import { edit, link, pending, post, send } from "./link.js";
import { announce, frameState, on, rangeOf, store } from "./store.js";

const $ = (id) => document.getElementById(id);

export function choose(label) {
  store.active = label;
  announce("active");
}

export function addObject() {
  const { label, colour } = store.next;
  if (label === null) return announce("problem", "There are 255 objects, which is as many as a mask can hold.");
  store.choosesNext = true;
  edit({ kind: "add", name: `Object ${label}`, colour });
}

const objectAt = (index) => store.objects[index];

export function chooseByNumber(number) {
  const object = objectAt(number - 1);
  if (object) choose(object.label);
}

let listed = ""; // what the list shows

/** Make the list again when it has changed, but leave it alone while a name is being typed. */
function refreshObjects() {
  const list = $("objects");
  const wanted = JSON.stringify([store.objects, store.active]);
  if (wanted === listed) return; // results come in all the time, and a click needs its button to stay
  if (list.contains(document.activeElement) && document.activeElement.type === "text" && list.children.length === store.objects.length) {
    for (const item of list.children) markItem(item, store.objects.find((each) => String(each.label) === item.dataset.label));
    return;
  }
  listed = wanted;
  list.replaceChildren(...store.objects.map(makeItem));
  $("no-objects").hidden = store.objects.length > 0;
}

function markItem(item, object) {
  if (!object) return;
  item.classList.toggle("active", object.label === store.active);
  item.classList.toggle("is-hidden", object.hidden);
}

function makeItem(object) {
  const item = document.createElement("li");
  item.dataset.label = String(object.label);
  markItem(item, object);
  item.setAttribute("aria-current", String(object.label === store.active));
  item.addEventListener("pointerdown", () => { if (store.active !== object.label) choose(object.label); });

  const colour = Object.assign(document.createElement("input"), { type: "color", value: object.colour });
  colour.setAttribute("aria-label", `Colour of ${object.name}`);
  colour.addEventListener("change", () => edit({ kind: "change", object: object.label, colour: colour.value }));

  const name = Object.assign(document.createElement("input"), { type: "text", value: object.name, maxLength: 80 });
  name.setAttribute("aria-label", `Name of object ${object.label}`);
  name.title = `Label ${object.label} in masks`;
  name.addEventListener("focus", () => { if (store.active !== object.label) choose(object.label); });
  name.addEventListener("change", () => {
    if (name.value.trim()) edit({ kind: "change", object: object.label, name: name.value });
    else name.value = object.name;
  });
  name.addEventListener("keydown", (event) => {
    if (event.key === "Escape") name.value = object.name;
    if (event.key === "Enter" || event.key === "Escape") $("view").focus();
  });

  const toggle = (field, on, off, label) => {
    const button = document.createElement("button");
    button.append(icon(object[field] ? on : off));
    button.setAttribute("aria-pressed", String(object[field]));
    button.setAttribute("aria-label", `${label} ${object.name}`);
    button.title = `${label} ${object.name}`;
    button.addEventListener("click", () => edit({ kind: "change", object: object.label, [field]: !object[field] }));
    return button;
  };
  const remove = document.createElement("button");
  remove.append(icon("trash"));
  remove.title = `Remove ${object.name}`;
  remove.setAttribute("aria-label", remove.title);
  remove.addEventListener("click", () => askRemoval(object));
  item.append(colour, name, toggle("hidden", "eyeoff", "eye", "Hide"), toggle("locked", "lock", "unlock", "Lock"), remove);
  return item;
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
export const undo = () => store.undo !== null || pending.length ? send("/api/undo") : null;
export const redo = () => store.redo !== null || pending.length ? send("/api/redo") : null;

const NAMES = {
  stroke: "a stroke", polygon: "a polygon", box: "a box", scribble: "a scribble", guess: "a guess", clear: "clearing a frame",
  key: "keeping a frame", erase: "removing an object from frames", review: "a review", add: "a new object", change: "a change of an object",
  remove: "removing an object", propagate: "a propagation", masks: "masks brought in",
};

function refreshHistory() {
  $("undo").disabled = store.undo === null;
  $("redo").disabled = store.redo === null;
  $("undo").title = store.undo ? `Undo ${NAMES[store.undo]} (Ctrl+Z)` : "Nothing to undo";
  $("redo").title = store.redo ? `Redo ${NAMES[store.redo]} (Ctrl+Shift+Z)` : "Nothing to redo";
}

function refreshSaved() {
  const saved = $("saved");
  const count = pending.length;
  const waiting = count === 1 ? "1 change is" : `${count} changes are`;
  saved.classList.toggle("busy", count > 0 && link.connected);
  saved.classList.toggle("lost", !link.connected);
  if (link.refused) saved.textContent = link.refused;
  else if (!link.connected) saved.textContent = count ? `No server; ${waiting} not saved yet` : "No server; trying again";
  else saved.textContent = count ? "Saving" : "Saved";
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
  $("job").hidden = !job || job.state === "done";
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

export function cancelJob() {
  if (store.job?.state !== "running") return false;
  post("/api/cancel").catch((error) => announce("problem", error.message));
  return true;
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
$("undo").addEventListener("click", undo);
$("redo").addEventListener("click", redo);
$("propagate").addEventListener("click", propagate);
$("fit-again").addEventListener("click", openWeights);
$("cancel").addEventListener("click", cancelJob);

on("document active", refreshObjects);
on("document frame", refreshFrame);
on("document loaded", () => { refreshHistory(); refreshStart(); });
on("pending connection", refreshSaved);
on("document job range loaded model", refreshPropagation);
on("job", (job) => { if (job?.state === "failed") announce("problem", job.text); });
