/** What the tools make of a press, a movement and a release: one edit, of the frame on which it began. */

import * as click from "./click.js";
import { edit } from "./link.js";
import { labelToDraw } from "./panels.js";
import { removeScribble } from "./scribbles.js";
import { beginMove, dragMove, isMoved, pick } from "./shifting.js";
import { announce, on, store } from "./store.js";
import { draw, openHere, pan, pixelSize, toVideo, view } from "./view.js";

const canvas = document.getElementById("view");

const NEAR = 0.35; // points nearer to the last one than this many pixels of the screen are left out
const SNAP = 8; // a click this near to the first corner closes the polygon, in pixels of the screen

let panning = null; // where the pointer was
let drawing = null; // the press that draws or moves the video: {x, y, before} with the draft before it

export function chooseTool(tool) {
  finish();
  store.tool = tool;
  announce("tool");
}

export function setRadius(radius) {
  const [smallest, largest] = store.limits.radius;
  store.radius = Math.max(smallest, Math.min(largest, Math.max(200, store.video.height / 4), radius));
  announce("tool");
  draw();
}

/** Save the shape that is being drawn; a polygon stays open until it is closed, also while other frames are shown. */
export function finish() {
  const draft = view.draft;
  if (!draft || draft.kind === "polygon") return;
  view.draft = null;
  commit(draft);
  draw();
}

/** Draw what has been drawn anew, and let others know of it. */
function drafted() {
  announce("draft");
  draw();
}

/** Save the open polygon; one of fewer than three corners stays open. */
export function closePolygon() {
  const draft = view.draft;
  if (draft?.kind !== "polygon" || draft.points.length < 4) return; // the last point follows the pointer
  view.draft = null;
  commit({ ...draft, points: draft.points.slice(0, -1) });
  drafted();
}

/** Drop what is being drawn on this frame; false when there is nothing. */
export function dropDraft() {
  if (view.draft?.frame !== store.frame) return false;
  view.draft = null;
  drafted();
  return true;
}

/** Remove the last corner of the polygon on this frame; false when there is none. */
export function dropCorner() {
  if (!openHere()) return false;
  if (view.draft.points.length > 2) view.draft.points.splice(-2, 1);
  else view.draft = null;
  drafted();
  return true;
}

function addCorner(at) {
  const { points } = view.draft;
  const [wide, high] = pixelSize();
  const away = Math.hypot((at[0] - points[0][0]) * wide, (at[1] - points[0][1]) * high);
  if (points.length > 3 && away < SNAP) return closePolygon();
  points.splice(-1, 1, at, at);
  draw();
}

function commit(draft) {
  if (drawing) drawing.before = null; // what is saved does not come back
  const shape = { ...draft };
  if (shape.kind === "move") return void (isMoved(shape) && edit(shape));
  if ((shape.kind === "box" || shape.kind === "guess") && shape.points.length < 2) return;
  shape.points = shape.points.map((point) => point.map((x) => Math.round(x * 1000) / 1000));
  edit(shape);
}

/** Begin with a press. */
export function begin(event, press) {
  drawing = press;
  if (event.button === 0 && (event.ctrlKey || event.metaKey)) return pick(toVideo(event));
  if (event.button === 1 || store.tool === "pan") {
    panning = [event.clientX, event.clientY];
    canvas.classList.add("panning");
    event.preventDefault();
    return;
  }
  if (event.button !== 0 && event.button !== 2) return;
  if (store.tool === "shift") {
    const at = toVideo(event);
    if (view.draft?.kind !== "move") { finish(); pick(at); }
    const draft = beginMove();
    if (draft) drawing.move = { at, ...draft };
    return;
  }
  if (store.tool === "scribble" && removeScribble(toVideo(event))) return;
  finish();
  if (!store.objects.length && (store.tool === "eraser" || event.button === 2)) return announce("problem", "There is nothing to erase yet: draw first.");
  const label = labelToDraw();
  if (label === null) return;
  const second = event.button === 2;
  const at = toVideo(event);
  const base = { frame: store.frame, object: label };
  const { tool } = store;
  if (tool === "polygon") {
    if (second) return void dropCorner();
    if (openHere()) return addCorner(at);
    closePolygon(); // on another frame
    view.draft = { kind: "polygon", ...base, erase: event.altKey, points: [at, at] };
    return drafted();
  }
  closePolygon();
  if (tool === "click") return click.press(at, !second && !event.altKey);
  if (tool === "brush" || tool === "eraser") {
    const erase = tool === "eraser" || second;
    const all = erase && event.altKey;
    view.draft = { kind: "stroke", ...base, object: all ? 0 : base.object, erase, radius: store.radius, points: [at] };
  } else if (tool === "scribble") view.draft = { kind: "scribble", ...base, positive: !second, points: [at] };
  else view.draft = { kind: tool, ...base, points: [at, at], ...(tool === "box" ? { erase: event.altKey || second } : { replace: event.shiftKey }) };
  draw();
}

export function move(event) {
  if (panning) {
    pan(event.clientX - panning[0], event.clientY - panning[1]);
    panning = [event.clientX, event.clientY];
    return;
  }
  if (store.tool === "click") click.move(toVideo(event));
  const round = store.tool === "brush" || store.tool === "eraser";
  view.cursor = round ? toVideo(event) : null;
  const draft = view.draft;
  if (draft?.kind === "move") {
    if (drawing?.move) dragMove(draft, drawing.move, toVideo(event), event.shiftKey);
  } else if (draft?.kind === "stroke" || draft?.kind === "scribble") {
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const at = toVideo(each), last = draft.points.at(-1);
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) * view.scale >= NEAR) draft.points.push(at);
    }
  } else if (draft?.frame === store.frame) draft.points[draft.points.length - 1] = toVideo(event);
  if (draft || round) draw();
}

/** End a press where the pointer is; without an event, another finger has ended it. */
export function end(event) {
  const away = event && drawing ? Math.hypot(event.clientX - drawing.x, event.clientY - drawing.y) : Infinity;
  if (panning && store.tool === "pan" && away < 3) pick(toVideo(event));
  if (panning) {
    panning = null;
    canvas.classList.remove("panning");
  } else if (!click.release()) finish();
  drawing = null;
}

on("leaving", finish);
on("pause", (draft) => { if (view.draft === draft && !drawing) finish(); });
