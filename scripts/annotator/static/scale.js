/** Which part of the video the timeline shows, and where its frames are. */

import { announce, on, store } from "./store.js";

const canvas = document.getElementById("timeline");
const STEP = 0.0016; // of zoom for a step of the wheel
const FEWEST = 8; // frames that are shown at least

const shown = { first: 0, count: Infinity };

export const width = () => canvas.clientWidth;
const count = () => Math.min(shown.count, store.video.frames);
export const frameWidth = () => width() / count();
export const toX = (frame) => (frame - shown.first) * frameWidth();
export const toFrame = (x) => Math.max(0, Math.min(store.video.frames - 1, Math.floor(shown.first + x / frameWidth())));

function show(first, many) {
  shown.count = Math.max(Math.min(FEWEST, store.video.frames), Math.min(store.video.frames, many));
  shown.first = Math.max(0, Math.min(store.video.frames - shown.count, first));
  announce("scale");
}

/** Show fewer or more frames; the one at x stays where it is. */
function zoomTimeline(factor, x) {
  const at = shown.first + x / frameWidth(), many = Math.max(Math.min(FEWEST, store.video.frames), Math.min(store.video.frames, count() * factor));
  show(at - (x / width()) * many, many);
}

/** Move on when the current frame is not in view. */
function follow() {
  if (!store.video || (store.frame >= shown.first && store.frame < shown.first + count())) return;
  show(store.frame - count() / 2, count());
}

canvas.addEventListener("wheel", (event) => {
  if (!store.video || (!event.ctrlKey && !event.shiftKey)) return; // the rows scroll
  event.preventDefault();
  const delta = (event.deltaY || event.deltaX) * (event.deltaMode ? 30 : 1);
  if (event.shiftKey) show(shown.first + (delta / width()) * count(), count());
  else zoomTimeline(Math.exp(delta * STEP), event.offsetX);
}, { passive: false });
on("frame", follow);
