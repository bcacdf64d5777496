/** Where the result looks wrong: curves on the timeline, and the places to look at. */

import { announce, on, setFrame, store } from "./store.js";

const CALM = 800; // ms without a change before it is asked for again
const LOW = 0.1; // suspicion that is not drawn
const button = document.getElementById("places");

let curves = {}; // label -> [[frame, area, suspicion]]
let places = []; // [frame, label, suspicion], the worst first
let wanted = 0, timer = null;

async function load() {
  const mine = ++wanted;
  const response = await fetch("/api/suspicion");
  if (!response.ok || mine !== wanted) return;
  ({ curves, places } = await response.json());
  announce("suspicion");
}

/** Ask again when there have been no changes for a while. */
function changed() {
  clearTimeout(timer);
  timer = setTimeout(() => load().catch(() => {}), CALM); // what changes next asks again
}

/** Go to the worst place, or from one of the places to the next worse one; false when there is none. */
export function nextPlace() {
  if (!places.length) return false;
  const at = places.findIndex(([frame]) => frame === store.frame);
  const [frame, label] = places[(at + 1) % places.length];
  setFrame(frame);
  store.active = label;
  announce("active");
  return true;
}

/** Paint the suspicion of an object over its row, and marks where its places are. */
export function paintSuspicion(context, label, y, height, toX, frameWidth) {
  context.fillStyle = "rgb(255 143 107 / .75)";
  for (const [frame, of] of places) {
    if (of === label) context.fillRect(toX(frame), y, Math.max(3, frameWidth), height);
  }
  context.beginPath();
  let before = null;
  for (const [frame, , suspicion] of curves[label] ?? []) {
    if (suspicion < LOW) continue;
    const x = toX(frame + 0.5), at = y + height - suspicion * height;
    if (before === frame - 1) context.lineTo(x, at); else context.moveTo(x, at);
    before = frame;
  }
  for (const [style, wide] of [["rgb(13 15 17 / .8)", 3], ["#ffffff", 1.2]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.stroke();
  }
  context.lineWidth = 1;
}

/** Paint the area of an object, by its largest, as the ground of a strip. */
export function paintArea(context, label, colour, y, height, toX, frameWidth) {
  const rows = curves[label] ?? [];
  const largest = rows.reduce((most, [, area]) => Math.max(most, area), 1);
  context.fillStyle = colour;
  context.globalAlpha = 0.45;
  let painted = -Infinity;
  for (const [frame, area] of rows) {
    const x = toX(frame), high = (area / largest) * height;
    if (x - painted < 0.9) continue; // a pixel shows one of its frames
    painted = x;
    context.fillRect(x, y + height - high, Math.max(1, frameWidth + 0.3), high);
  }
  context.globalAlpha = 1;
}

function refresh() {
  button.hidden = !places.length;
  button.textContent = places.length === 1 ? "1 place to look at" : `${places.length} places to look at`;
}

on("document loaded", changed);
on("suspicion", refresh);
