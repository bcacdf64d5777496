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

/** Show a number of frames; the position `at` of the video stays at a share of the width. */
function show(at, share, many) {
  shown.count = Math.max(Math.min(FEWEST, store.video.frames), Math.min(store.video.frames, many));
  const first = at - share * shown.count;
  shown.first = Math.max(0, Math.min(store.video.frames - shown.count, first));
  announce("scale");
}

/** Move on when the current frame is not in view. */
function follow() {
  if (!store.video || (store.frame >= shown.first && store.frame < shown.first + count())) return;
  show(store.frame, 0.5, count());
}

canvas.addEventListener("wheel", (event) => {
  if (!store.video || (!event.ctrlKey && !event.shiftKey)) return; // the rows scroll
  event.preventDefault();
  const delta = (event.deltaY || event.deltaX) * (event.deltaMode ? 30 : 1);
  if (event.shiftKey) show(shown.first + (delta / width()) * count(), 0, count());
  else show(shown.first + event.offsetX / frameWidth(), event.offsetX / width(), count() * Math.exp(delta * STEP));
}, { passive: false });
on("frame", follow);
