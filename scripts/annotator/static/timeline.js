/** The timeline: thumbnails, a row for each object, the range and the position; and playback. */

import { heldFrame } from "./pictures.js";
import { frameWidth, toFrame, toX, width } from "./scale.js";
import { activeObject, announce, on, rangeOf, setFrame, store } from "./store.js";
import { paintArea, paintSuspicion } from "./suspicion.js";
import { nearest, paintThumbnail } from "./thumbnails.js";

const canvas = document.getElementById("timeline");
const context = canvas.getContext("2d");
const track = document.getElementById("track");
let pictures = 0, strip = 0, rowHeight = 0; // heights in CSS pixels
let waiting = false;

/** Read the heights, which grow with the screen. */
function measure() {
  const style = getComputedStyle(document.documentElement);
  [pictures, strip, rowHeight] = ["--pictures", "--strip", "--row"].map((name) => parseFloat(style.getPropertyValue(name)));
}

export function refresh() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; if (store.video) paint(); });
}

function paint() {
  measure();
  const ratio = devicePixelRatio;
  const top = pictures + strip + 9;
  const height = top + Math.max(1, store.objects.length) * rowHeight;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width() * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (!store.objects.length) fillRow(top, "#2b3138", 0, width());
  store.objects.forEach((object, index) => paintRow(object, top + index * rowHeight));
  context.save();
  context.translate(0, track.scrollTop); // pictures and strip stay in view above the rows
  context.fillStyle = "#1b1f24";
  context.fillRect(0, 0, width(), top - 2);
  paintPictures();
  paintStrip();
  context.restore();
  paintRange(height);
  const x = toX(store.frame), wide = Math.max(2, frameWidth());
  context.fillStyle = "rgb(255 255 255 / .22)";
  context.fillRect(x, 0, wide, height);
  context.fillStyle = "#ffffff";
  context.fillRect(x + wide / 2 - 1, 0, 2, height);
  canvas.setAttribute("aria-valuemax", String(store.video.frames - 1));
  canvas.setAttribute("aria-valuenow", String(store.frame));
  canvas.setAttribute("aria-valuetext", `Frame ${store.frame} of ${store.video.frames}`);
}

function paintPictures() {
  context.fillStyle = "#22272d";
  context.fillRect(0, 0, width(), pictures);
  const shown = (pictures * store.video.width * store.video.pixel_aspect) / store.video.height;
  const count = Math.ceil(width() / shown);
  for (let i = 0; i < count; i++) {
    const frame = nearest(toFrame((i + 0.5) * shown));
    if (frame !== undefined) paintThumbnail(context, frame, i * shown, shown, pictures);
  }
  context.fillStyle = "rgb(13 15 17 / .2)";
  context.fillRect(0, 0, width(), pictures);
}

/** Paint the area and the suspicion of the chosen object. */
function paintStrip() {
  context.fillStyle = "#22272d";
  context.fillRect(0, pictures + 3, width(), strip);
  const object = activeObject();
  if (!object) return;
  paintArea(context, object.label, object.colour, pictures + 3, strip, toX, frameWidth());
  paintSuspicion(context, object.label, pictures + 4, strip - 2, toX, frameWidth());
}

function fillRow(y, colour, from, to) {
  context.fillStyle = colour;
  context.fillRect(from, y, to - from, rowHeight - 3);
}

function paintRow(object, y) {
  fillRow(y, "#2b3138", 0, width());
  const wide = frameWidth();
  context.globalAlpha = 1;
  for (const [frame, { present, drawn, reviewed }] of store.frames) {
    const from = toX(frame), to = from + Math.max(wide, 1), isDrawn = drawn.includes(object.label);
    context.globalAlpha = isDrawn ? 1 : 0.42;
    if (isDrawn || present.includes(object.label)) fillRow(y, object.colour, from, isDrawn ? Math.max(to, from + 3) : to + 0.3);
    context.globalAlpha = 1;
    if (reviewed) {
      context.fillStyle = "#ffffff";
      context.fillRect(from, y + rowHeight - 5, to - from + 0.3, 2);
    }
  }
  paintArea(context, object.label, object.colour, y, rowHeight - 3, toX, wide);
  paintSuspicion(context, object.label, y, rowHeight - 3, toX, wide);
  if (object.label === store.active) {
    context.strokeStyle = "#56b4e9";
    context.strokeRect(0.5, y - 0.5, width() - 1, rowHeight - 2);
  }
}

function paintRange(height) {
  if (!store.range) return;
  const [first, last] = rangeOf();
  context.fillStyle = "rgb(13 15 17 / .62)";
  context.fillRect(0, 0, toX(first), height);
  context.fillRect(toX(last + 1), 0, width() - toX(last + 1), height);
  context.fillStyle = "#56b4e9";
  for (const x of [toX(first), toX(last + 1) - 2]) context.fillRect(x, 0, 2, height);
}

/** The nearest frame that somebody has drawn on, before or behind the current one. */
export function nextDrawn(direction) {
  let best = null;
  for (const [frame, state] of store.frames) {
    const ahead = (frame - store.frame) * direction;
    if (state.drawn.length && ahead > 0 && (best === null || ahead < (best - store.frame) * direction)) best = frame;
  }
  return best;
}

/** Play or pause; frames that are not there in time are waited for, not left out. */
export function setPlaying(playing) {
  if (playing === store.playing) return;
  store.playing = playing;
  announce("playing");
  if (!playing) return;
  if (store.frame >= rangeOf()[1]) setFrame(rangeOf()[0]);
  let due = performance.now();
  const tick = (now) => {
    if (!store.playing) return;
    const [first, last] = rangeOf();
    if (store.frame >= last && !store.loop) return setPlaying(false);
    const following = store.frame >= last ? first : store.frame + 1;
    if (now >= due && (heldFrame(following) || now - due > 400)) {
      due = Math.max(due + 1000 / store.video.fps, now - 100);
      setFrame(following);
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

let scrubbing = false;
canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  setPlaying(false);
  scrubbing = true;
  canvas.setPointerCapture(event.pointerId);
  setFrame(toFrame(event.offsetX));
});
canvas.addEventListener("pointermove", (event) => { if (scrubbing) setFrame(toFrame(event.offsetX)); });
canvas.addEventListener("pointerup", () => { scrubbing = false; });
canvas.addEventListener("pointercancel", () => { scrubbing = false; });

new ResizeObserver(refresh).observe(canvas);
track.addEventListener("scroll", refresh);
on("frame document range active scale look loaded suspicion", refresh);
