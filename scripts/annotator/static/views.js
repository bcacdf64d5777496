/** How masks are shown: over the picture, cut out as in exports, as opacity, or as outlines. */

import { unmoved } from "./moving.js";
import { fetchOpacity, heldLabels, heldOpacity } from "./pictures.js";
import { announce, frameState, on, store } from "./store.js";
import { view } from "./view.js";

/** Names of the modes, in the order in which a key goes through them. */
export const MODES = { overlay: "Overlay", black: "On black", white: "On white", checker: "On a checkerboard", alpha: "Alpha", outline: "Outlines" };
const GROUNDS = { black: [0x000000, 0x000000], white: [0xffffff, 0xffffff], checker: [0x666666, 0x999999] };
const OUTLINE = 1.5; // pixels of the screen
const CHECKS = 24; // along the shorter side of the video

const filled = document.createElement("canvas"); // colours or ground over the picture, one pixel a pixel of the video
const lines = document.createElement("canvas"); // outlines, one pixel a pixel of the screen
const made = { filled: "", paths: "", lines: "" }; // what they hold
let paths = []; // [colour, outline in pixels of the video] of the objects

export const cutsOut = () => store.mode in GROUNDS || store.mode === "alpha";
const isSoft = () => store.feather > 0 || store.choke !== 0;
const hiddenLabels = () => store.objects.filter((each) => each.hidden).map((each) => each.label);

const needsOpacity = (frame) => cutsOut() && isSoft() && frameState(frame).version > 0;

/** Whether all that the current mode needs of a frame, beside its labels, is at hand; and what fetches it. */
export const lookHeld = (frame) => !needsOpacity(frame) || heldOpacity(frame, hiddenLabels()) !== undefined;
export const fetchLook = (frame) => (needsOpacity(frame) ? fetchOpacity(frame, hiddenLabels()) : Promise.resolve());

/** What a frame's masks look like, as text that changes whenever they do. */
function lookOf(frame, version, objects) {
  const looks = objects.map((each) => `${each.label}${each.colour}${each.hidden}`).join();
  return `${store.video.workspace_id}/${frame}/${version}/${store.mode}/${store.opacity}/${store.feather}/${store.choke}/${looks}`;
}

/** Paint the masks of the current frame over its picture, if they are at hand.
 *
 * context: of the canvas. matrix: from pixels of the video to those of the canvas. smooth: blend pixels.
 */
export function paintMasks(context, matrix, smooth) {
  const frame = store.frame, { version } = frameState(frame);
  const preview = view.preview?.frame === frame ? view.preview : null; // of an edit
  const labels = preview ? preview.labels : heldLabels(frame), objects = unmoved();
  if (labels === undefined || (labels === null && !cutsOut())) return;
  const soft = needsOpacity(frame) && !preview ? heldOpacity(frame, hiddenLabels()) : null;
  if (soft === undefined) fetchLook(frame).then(() => announce("look"), () => {}); // hard until then
  const look = `${lookOf(frame, version, objects)}/${preview?.number}/${Boolean(soft)}`;
  if (store.mode !== "outline" && made.filled !== look) fill(labels, soft, objects, look);
  if (store.mode !== "outline") {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(filled, 0, 0);
  }
  if (!labels || cutsOut()) return;
  if (made.paths !== look) Object.assign(made, { paths: look, lines: "" }), paths = outlinesOf(labels, objects);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(drawnLines(context.canvas, matrix, look), 0, 0);
  context.setTransform(matrix);
}

function fill(labels, soft, objects, look) {
  const { width, height } = store.video;
  if (filled.width !== width || filled.height !== height) Object.assign(filled, { width, height });
  const target = filled.getContext("2d");
  const image = target.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  if (store.mode === "overlay") tint(labels, pixels, objects, store.opacity / 100);
  else coverGround(labels, soft, coloursOf(1, objects), pixels, width);
  target.putImageData(image, 0, 0);
  made.filled = look;
}

/** Colours of the objects that are not hidden, by label, as pixels with an opacity of 0 to 1; 0 for the others. */
function coloursOf(opacity, objects) {
  const colours = new Uint32Array(256);
  for (const { label, colour, hidden } of objects) {
    if (hidden) continue;
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    colours[label] = ((Math.round(opacity * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return colours;
}

/** Fill pixels with the colours of labels. */
function tint(labels, pixels, objects, opacity) {
  const colours = coloursOf(opacity, objects);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colours[labels[i]];
}

/** A canvas with labels as colours. */
export function tinted({ greys, width, height }, objects, opacity) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  tint(greys, new Uint32Array(image.data.buffer), objects, opacity);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Paint the ground where nothing is cut out; for "alpha", the opacity itself. */
function coverGround(labels, soft, colours, pixels, width) {
  const opaque = colours.map((colour) => (colour ? 255 : 0));
  const side = Math.max(1, Math.round(Math.min(width, store.video.height) / CHECKS));
  const ground = GROUNDS[store.mode];
  for (let i = 0; i < pixels.length; i++) {
    const alpha = soft ? soft[i] : labels ? opaque[labels[i]] : 0;
    if (!ground) pixels[i] = (0xff000000 | (alpha * 0x010101)) >>> 0;
    else if (alpha < 255) {
      const check = (Math.floor((i % width) / side) + Math.floor(i / width / side)) & 1;
      pixels[i] = (((255 - alpha) << 24) | ground[check]) >>> 0;
    }
  }
}

/** Follow the borders between pixels of different objects; a path for each object that is not hidden. */
function outlinesOf(labels, objects) {
  const { width, height } = store.video;
  const found = new Map(objects.filter((each) => !each.hidden).map((each) => [each.label, new Path2D()]));
  const add = (label, x0, y0, x1, y1) => {
    const path = found.get(label);
    if (path) { path.moveTo(x0, y0); path.lineTo(x1, y1); }
  };
  const follow = (count, length, labelAt, draw) => {
    for (let line = 1; line < count; line++) {
      let begun = 0, before = 0, after = 0;
      for (let at = 0; at <= length; at++) {
        const a = at < length ? labelAt(line - 1, at) : 0, b = at < length ? labelAt(line, at) : 0;
        if (a === before && b === after) continue;
        if (before !== after) { draw(before, line, begun, at); draw(after, line, begun, at); }
        [begun, before, after] = [at, a, b];
      }
    }
  };
  follow(height, width, (row, x) => labels[row * width + x], (label, row, from, to) => add(label, from, row, to, row));
  follow(width, height, (column, y) => labels[y * width + column], (label, column, from, to) => add(label, column, from, column, to));
  return objects.filter((each) => found.has(each.label)).map((each) => [each.colour, found.get(each.label)]);
}

/** The outlines on a canvas of the size of another one: drawn anew only when they or the view have changed. */
function drawnLines({ width, height }, matrix, look) {
  const wanted = `${look}/${matrix}/${width}/${height}`;
  if (made.lines === wanted) return lines;
  Object.assign(lines, { width, height }); // and clear it
  const target = lines.getContext("2d");
  target.lineWidth = OUTLINE * devicePixelRatio;
  target.lineCap = "square";
  for (const [colour, path] of paths) {
    const shown = new Path2D();
    shown.addPath(path, matrix);
    target.strokeStyle = colour;
    target.stroke(shown);
  }
  made.lines = wanted;
  return lines;
}

const select = document.getElementById("mode");
const rows = { feather: document.getElementById("feather"), choke: document.getElementById("choke") };
for (const [mode, name] of Object.entries(MODES)) select.append(new Option(name, mode));

export function setMode(mode) {
  store.mode = mode;
  announce("look");
}

/** Go on to the next mode. */
export function nextMode() {
  const names = Object.keys(MODES);
  setMode(names[(names.indexOf(store.mode) + 1) % names.length]);
}

function refresh() {
  select.value = store.mode;
  document.getElementById("edge").hidden = !cutsOut();
  for (const [name, input] of Object.entries(rows)) {
    input.value = String(store[name]);
    document.getElementById(`${name}-out`).textContent = String(store[name]);
  }
}

select.addEventListener("change", () => { setMode(select.value); document.getElementById("view").focus(); });
for (const [name, input] of Object.entries(rows)) {
  input.addEventListener("input", () => { store[name] = Number(input.value); announce("look"); });
}
on("look", refresh);
on("loaded", () => {
  Object.assign(rows.feather, { max: store.limits.feather });
  Object.assign(rows.choke, { min: -store.limits.choke, max: store.limits.choke });
  refresh();
});
