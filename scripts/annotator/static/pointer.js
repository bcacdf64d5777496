/** Pointers on the canvas: one draws, two fingers zoom and move, the wheel zooms. */

import * as click from "./click.js";
import { store } from "./store.js";
import { begin, closePolygon, dropCorner, end, move } from "./tools.js";
import { draw, pan, view, zoom } from "./view.js";

const canvas = document.getElementById("view");
const STILL = 10; // a finger that moved less when a second one came down has drawn nothing, in pixels of the screen

let press = null; // of the pointer that draws or moves the video: {id, x, y, before}, see tools.js
let pinching = false; // until all fingers are up
const fingers = new Map(); // id -> [x, y]

/** Begin to zoom and move with two fingers; what the first one drew is kept only if that finger has moved. */
function beginPinch() {
  if (!press || !fingers.has(press.id)) return;
  const [x, y] = fingers.get(press.id);
  if (Math.hypot(x - press.x, y - press.y) < STILL && !click.cancelPress()) view.draft = press.before;
  end();
  press = null;
  pinching = true;
}

const middleAndDistance = ([[x0, y0], [x1, y1]]) => [(x0 + x1) / 2, (y0 + y1) / 2, Math.hypot(x1 - x0, y1 - y0)];

function pinch(event) {
  const before = middleAndDistance([...fingers.values()]);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  const [x, y, distance] = middleAndDistance([...fingers.values()]);
  const corner = canvas.getBoundingClientRect();
  pan(x - before[0], y - before[1]);
  zoom(distance / Math.max(1, before[2]), [x - corner.left, y - corner.top]);
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.focus({ preventScroll: true });
  if (!store.video) return;
  const { pointerId: id, clientX: x, clientY: y } = event;
  canvas.setPointerCapture(id);
  if (event.pointerType === "touch") fingers.set(id, [x, y]);
  if (fingers.size === 2) return beginPinch();
  if (pinching || (press && press.id !== id)) return;
  press = { id, x, y, before: view.draft && { ...view.draft, points: view.draft.points && [...view.draft.points] } };
  begin(event, press);
});
canvas.addEventListener("pointermove", (event) => {
  const finger = fingers.has(event.pointerId);
  if (pinching && finger && fingers.size > 1) return pinch(event);
  if (finger) fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (store.video && !pinching && (!press || press.id === event.pointerId)) move(event);
});
function up(event) {
  fingers.delete(event.pointerId);
  if (!fingers.size) pinching = false;
  if (press?.id !== event.pointerId) return;
  end(event);
  press = null;
}
canvas.addEventListener("pointerup", up);
canvas.addEventListener("pointercancel", up);
canvas.addEventListener("pointerleave", () => { view.cursor = null; draw(); });
canvas.addEventListener("dblclick", () => {
  if (dropCorner()) closePolygon(); // both clicks have set one
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const corner = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), [event.clientX - corner.left, event.clientY - corner.top]);
}, { passive: false });
