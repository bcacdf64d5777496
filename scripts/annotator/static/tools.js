/** Drawing with the pointer: each tool turns a movement into one edit, of the frame on which it began. */

import { icon } from "./icons.js";
import { edit } from "./link.js";
import { activeObject, announce, on, store } from "./store.js";
import { draw, pan, toVideo, view, zoom } from "./view.js";

const canvas = document.getElementById("view");

export const TOOLS = {
  brush: { name: "Brush", key: "B", hint: "Draw the object. The right button rubs out." },
  eraser: { name: "Eraser", key: "E", hint: "Rub out the chosen object; with Alt, every object." },
  polygon: { name: "Polygon", key: "P", hint: "Click corners; Enter or a double click closes. With Alt, it cuts out." },
  box: { name: "Box", key: "X", hint: "Drag a filled box. With Alt, it cuts out." },
  scribble: { name: "Scribble", key: "S", hint: "Draw a line on the object, with the right button one beside it: a mask is made of them." },
  guess: { name: "Guess", key: "G", hint: "Drag a box around the object: its mask is guessed. With Shift, it replaces the object's mask." },
  pan: { name: "Move", key: "V", hint: "Drag to move the video. Also: space or the middle button." },
};

const NEAR = 0.35; // points nearer to the last one than this many pixels of the screen are left out

let panning = null;
export const held = { space: false };

export function chooseTool(tool) {
  finish();
  store.tool = tool;
  announce("tool");
}

export function setRadius(radius) {
  store.radius = Math.max(0.5, Math.min(200, radius));
  announce("tool");
  draw();
}

/** End what is being drawn: a stroke is kept, a polygon that is not closed is dropped. */
export function finish() {
  const draft = view.draft;
  view.draft = null;
  if (draft && draft.kind !== "polygon") commit(draft);
  draw();
}

export function closePolygon() {
  const draft = view.draft;
  if (draft?.kind !== "polygon") return false;
  view.draft = null;
  const points = draft.points.slice(0, -1); // the last one follows the pointer
  if (points.length >= 3) commit({ ...draft, points });
  draw();
  return true;
}

export function dropDraft() {
  const had = view.draft !== null;
  view.draft = null;
  draw();
  return had;
}

export function dropCorner() {
  if (view.draft?.kind !== "polygon") return false;
  if (view.draft.points.length > 2) view.draft.points.splice(-2, 1);
  else view.draft = null;
  draw();
  return true;
}

function commit(draft) {
  const { anew, ...shape } = draft;
  if ((shape.kind === "box" || shape.kind === "guess") && shape.points.length < 2) return;
  shape.points = shape.points.map((point) => point.map((x) => Math.round(x * 1000) / 1000));
  edit(shape);
}

function begin(event) {
  canvas.focus({ preventScroll: true });
  if (!store.video) return;
  if (event.button === 1 || held.space || store.tool === "pan") {
    panning = [event.clientX, event.clientY];
    canvas.classList.add("panning");
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    return;
  }
  if (event.button !== 0 && event.button !== 2) return;
  const object = activeObject();
  if (!object) return announce("problem", "Choose or add an object first (N).");
  if (object.locked) return announce("problem", `${object.name} is locked: unlock it first.`);
  const second = event.button === 2;
  const at = toVideo(event);
  const base = { frame: store.frame, object: object.label };
  const { tool } = store;
  if (tool === "polygon") {
    if (second) return void dropCorner();
    if (view.draft?.kind === "polygon" && view.draft.frame === store.frame) view.draft.points.push(at);
    else view.draft = { kind: "polygon", ...base, erase: event.altKey, points: [at, at] };
    return draw();
  }
  canvas.setPointerCapture(event.pointerId);
  if (tool === "brush" || tool === "eraser") {
    const erase = tool === "eraser" || second;
    const all = erase && event.altKey;
    view.draft = { kind: "stroke", ...base, object: all ? 0 : base.object, erase, radius: store.radius, points: [at] };
  } else if (tool === "scribble") view.draft = { kind: "scribble", ...base, positive: !second, points: [at] };
  else view.draft = { kind: tool, ...base, points: [at, at], ...(tool === "box" ? { erase: event.altKey || second } : { replace: event.shiftKey }) };
  draw();
}

function move(event) {
  if (panning) {
    pan(event.clientX - panning[0], event.clientY - panning[1]);
    panning = [event.clientX, event.clientY];
    return;
  }
  if (!store.video) return;
  const round = (store.tool === "brush" || store.tool === "eraser") && !held.space;
  view.cursor = round ? toVideo(event) : null;
  const draft = view.draft;
  if (draft?.kind === "stroke" || draft?.kind === "scribble") {
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const at = toVideo(each), last = draft.points.at(-1);
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) * view.scale >= NEAR) draft.points.push(at);
    }
  } else if (draft) draft.points[draft.points.length - 1] = toVideo(event);
  if (draft || round) draw();
}

function end() {
  if (panning) {
    panning = null;
    canvas.classList.remove("panning");
  } else if (view.draft && view.draft.kind !== "polygon") finish();
}

canvas.addEventListener("pointerdown", begin);
canvas.addEventListener("pointermove", move);
canvas.addEventListener("pointerup", end);
canvas.addEventListener("pointercancel", end);
canvas.addEventListener("pointerleave", () => { view.cursor = null; draw(); });
canvas.addEventListener("dblclick", () => {
  if (view.draft?.kind !== "polygon") return;
  view.draft.points.splice(-2, 1); // both clicks set a corner
  closePolygon();
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const corner = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), [event.clientX - corner.left, event.clientY - corner.top]);
}, { passive: false });

const buttons = document.getElementById("tools");
for (const [tool, { name, key }] of Object.entries(TOOLS)) {
  const button = document.createElement("button");
  button.setAttribute("role", "radio");
  button.dataset.tool = tool;
  button.title = `${name} (${key})`;
  button.setAttribute("aria-label", name);
  button.append(icon(tool), name);
  button.addEventListener("click", () => chooseTool(tool));
  buttons.append(button);
}

const size = document.getElementById("size");
size.addEventListener("input", () => setRadius(Number(size.value)));
const opacity = document.getElementById("opacity");
opacity.addEventListener("input", () => {
  store.opacity = Number(opacity.value);
  document.getElementById("opacity-out").textContent = opacity.value;
  announce("look");
});

function refresh() {
  for (const button of buttons.children) button.setAttribute("aria-checked", String(button.dataset.tool === store.tool));
  const drawsRound = store.tool === "brush" || store.tool === "eraser";
  document.getElementById("size-row").hidden = !drawsRound;
  canvas.classList.toggle("brush", drawsRound && !held.space);
  canvas.classList.toggle("pan", store.tool === "pan" || held.space);
  if (!drawsRound) view.cursor = null;
  const how = store.model.scribbles && store.tool === "scribble" ? ` (${store.model.scribbles})` : "";
  const computed = store.tool === "scribble" || store.tool === "guess";
  document.getElementById("tool-hint").textContent = TOOLS[store.tool].hint.replace(/\.$/, computed ? `${how}.` : ".");
  size.value = String(store.radius);
  document.getElementById("size-out").textContent = String(Math.round(store.radius * 2) / 2);
}

on("tool model loaded", refresh);
on("leaving", finish);
