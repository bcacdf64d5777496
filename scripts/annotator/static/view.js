/** The canvas: the frame, its masks, what is being drawn; zoom and pan. */

import { pending } from "./link.js";
import { fetchFrame, fetchLabels, heldFrame, heldLabels, prefetch, setReduction, setShown } from "./pictures.js";
import { moveHere, paintMove } from "./moving.js";
import { paintScribbles } from "./scribbles.js";
import { frameState, on, store } from "./store.js";
import { fetchLook, lookHeld, paintMasks } from "./views.js";

const canvas = document.getElementById("view");
const stage = document.getElementById("stage");
const context = canvas.getContext("2d", { alpha: false });
const MARGIN = 16; // CSS pixels around a fitted video
const LARGEST_ZOOM = 40;

export const view = { scale: 1, x: 0, y: 0, fitted: true, cursor: null, draft: null, preview: null, shown: { frame: -1, version: -1 } };

/** Whether a polygon is open on this frame. */
export const openHere = () => view.draft?.kind === "polygon" && view.draft.frame === store.frame;

/** Functions that paint over the masks, in pixels of the video. */
export const layers = [];

let bitmap = null; // what is shown
let requested = 0;
let drawing = false;

/** CSS pixels of a pixel of the video: its height is `view.scale`, and an anamorphic one is not square. */
export const pixelSize = () => [view.scale * store.video.pixel_aspect, view.scale];

/** Position in the video, continuous: pixel (i, j) reaches from (i, j) to (i + 1, j + 1). */
export function toVideo(event) {
  const corner = canvas.getBoundingClientRect(), [wide, high] = pixelSize();
  return [(event.clientX - corner.left - view.x) / wide, (event.clientY - corner.top - view.y) / high];
}

export function fit() {
  const { height } = store.video, width = store.video.width * store.video.pixel_aspect;
  const [wide, high] = [stage.clientWidth - 2 * MARGIN, stage.clientHeight - 2 * MARGIN];
  view.scale = Math.max(0.02, Math.min(wide / width, high / height));
  view.x = (stage.clientWidth - width * view.scale) / 2;
  view.y = (stage.clientHeight - height * view.scale) / 2;
  view.fitted = true;
  zoomed();
}

/** Zoom by a factor; a position of the canvas stays where it is. */
export function zoom(factor, at = [stage.clientWidth / 2, stage.clientHeight / 2]) {
  const scale = Math.max(0.05, Math.min(LARGEST_ZOOM, view.scale * factor));
  view.x = at[0] - ((at[0] - view.x) * scale) / view.scale;
  view.y = at[1] - ((at[1] - view.y) * scale) / view.scale;
  view.scale = scale;
  view.fitted = false;
  zoomed();
}

export function pan(dx, dy) {
  view.x += dx;
  view.y += dy;
  view.fitted = false;
  draw();
}

function zoomed() {
  const shown = Math.max(...pixelSize()) * devicePixelRatio;
  setReduction(shown <= 0.26 ? 4 : shown <= 0.51 ? 2 : 1);
  document.getElementById("zoom-fit").textContent = view.fitted ? "Fit" : `${Math.round(view.scale * 100)} %`;
  show();
  draw();
}

/** Show the current frame, as soon as it is there; what is shown before it stays until then. */
export async function show() {
  const frame = store.frame;
  const mine = ++requested;
  const error = document.getElementById("frame-error");
  try {
    const held = heldFrame(frame);
    const labelsHeld = heldLabels(frame) !== undefined && lookHeld(frame);
    if (held && labelsHeld) bitmap = held;
    else {
      const [picture] = await Promise.all([held ?? fetchFrame(frame), fetchLabels(frame), fetchLook(frame)]);
      if (mine !== requested) return;
      bitmap = picture;
    }
    error.hidden = true;
  } catch (problem) {
    if (mine !== requested) return;
    bitmap = null;
    error.textContent = problem.message;
    error.hidden = false;
  }
  setShown(bitmap);
  view.shown = { frame, version: frameState(frame).version };
  draw();
  prefetch(frame, 1, store.playing ? 6 : 2);
  if (!store.playing) prefetch(frame, -1, 2);
}

/** Draw at the next moment the screen is ready. */
export function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    paint();
    performance.mark("painted", { detail: { ...view.shown } });
    if (performance.getEntriesByName("painted").length > 200) performance.clearMarks("painted");
  });
}

function paint() {
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#0d0f11";
  context.fillRect(0, 0, width, height);
  if (!store.video) return;
  const [wide, high] = pixelSize();
  const matrix = new DOMMatrix([wide * ratio, 0, 0, high * ratio, view.x * ratio, view.y * ratio]);
  context.setTransform(matrix);
  context.imageSmoothingEnabled = view.scale * ratio < 3;
  const size = [store.video.width, store.video.height];
  if (bitmap) context.drawImage(bitmap, 0, 0, ...size);
  else { context.fillStyle = "#1b1f24"; context.fillRect(0, 0, ...size); }
  if (store.masksShown && view.shown.frame === store.frame) paintMasks(context, matrix, view.scale * ratio < 1);
  if (store.masksShown && moveHere()) paintMove(context, moveHere());
  if (store.masksShown) paintScribbles(context);
  for (const { body } of pending) if (body.frame === store.frame && body.points) paintShape(body);
  if (view.draft?.points && view.draft.frame === store.frame) paintShape(view.draft);
  for (const paintLayer of layers) paintLayer(context);
  if (view.cursor) paintCursor();
}

/** Paint what is being drawn, or is not saved yet. */
function paintShape(shape) {
  const colour = shape.erase ? "#ffffff" : store.objects.find((each) => each.label === shape.object)?.colour ?? "#ffffff";
  const thin = 1.5 / view.scale;
  context.save();
  context.lineJoin = context.lineCap = "round";
  context.globalAlpha = shape.erase ? 0.45 : 0.7;
  context.strokeStyle = context.fillStyle = colour;
  const path = new Path2D();
  if (shape.kind === "box" || shape.kind === "guess") {
    const [[x0, y0], [x1, y1]] = shape.points;
    path.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
  } else shape.points.forEach(([x, y], index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)));
  if (shape.kind === "stroke") {
    if (shape.points.length === 1) {
      const [x, y] = shape.points[0];
      path.arc(x, y, shape.radius, 0, 7);
      context.fill(path);
    } else {
      context.lineWidth = 2 * shape.radius;
      context.stroke(path);
    }
  } else if (shape.kind === "scribble") {
    context.globalAlpha = 1;
    context.lineWidth = Math.max(3, 4 / view.scale);
    context.strokeStyle = shape.positive ? colour : "#ffffff";
    if (!shape.positive) context.setLineDash([6 / view.scale, 6 / view.scale]);
    context.stroke(path);
  } else {
    if (shape.kind !== "guess") { context.globalAlpha = 0.35; context.fill(path, "evenodd"); } // as it is saved
    context.globalAlpha = 1;
    context.lineWidth = thin;
    if (shape.kind === "guess") context.setLineDash([6 / view.scale, 4 / view.scale]);
    context.stroke(path);
    if (shape.kind !== "polygon") return context.restore();
    const closable = shape === view.draft && shape.points.length > 3;
    shape.points.forEach(([x, y], index) => {
      const half = index === 0 && closable ? 4 * thin : 2 * thin; // a click there closes it
      context.fillRect(x - half, y - half, 2 * half, 2 * half);
    });
  }
  context.restore();
}

function paintCursor() {
  const [x, y] = view.cursor;
  context.beginPath();
  context.arc(x, y, store.radius, 0, 7);
  for (const [colour, width] of [["rgb(0 0 0 / .7)", 3], ["#ffffff", 1.3]]) {
    context.strokeStyle = colour;
    context.lineWidth = width / view.scale;
    context.stroke();
  }
}

new ResizeObserver(() => {
  if (!store.video) return;
  if (view.fitted) fit();
  else draw();
}).observe(stage);

on("loaded", () => { if (view.fitted) fit(); show(); });
on("frame document", show);
on("pending look tool", draw);
