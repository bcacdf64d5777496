/** The Click tool with its points and its preview, the field Find, and the dialog that fetches their networks. */

import { button, closing, fill, make, offer } from "./dialogs.js";
import { edit, pending, post, request, take } from "./link.js";
import { activeObject, announce, frameState, on, store } from "./store.js";
import { decodeGreys } from "./pictures.js";
import { draw, layers, pixelSize, view } from "./view.js";
import { tinted } from "./views.js";

const $ = (id) => document.getElementById(id);

const HIT = 9; // a press this near to a point means it, in pixels of the screen
const STILL = 3; // a point that moved less has not been dragged, in pixels of the screen
const REST = 150; // ms that the pointer rests before a preview is asked for
const QUICK = 500; // ms; after SLOW slower previews of a frame there are no more
const SLOW = 2;

let pressed = null; // {index of the point or null, at, adds, moved}
let preview = null; // a picture of the size of the video
let resting = 0; // the timer
let asking = false;
const slow = { frame: -1, count: 0 };

/** What answers a tool, for its hint. */
export function methodOf(tool) {
  const { click, scribbles } = store.model;
  if (tool !== "scribble" && click?.here) return `by ${click.name}`;
  return tool === "guess" ? "by GrabCut" : scribbles;
}

/** Label of the object that clicks are about: the chosen one, or the one that the first click makes. */
const label = () => store.active ?? store.next.label;

/** The clicks [x, y, 1 or 0] of the chosen object on this frame that count now. */
function shown() {
  const mine = (body) => body.kind === "click" && body.frame === store.frame && body.object === label();
  const waiting = pending.findLast(({ body }) => mine(body))?.body;
  const { clicks } = frameState(store.frame);
  return waiting?.clicks ?? (clicks?.object === label() ? clicks.clicks : []);
}

const inside = ([x, y]) => x >= 0 && y >= 0 && x < store.video.width && y < store.video.height;

function away([x0, y0], [x1, y1]) {
  const [wide, high] = pixelSize();
  return Math.hypot((x1 - x0) * wide, (y1 - y0) * high);
}

/** The point at a position, or null. */
function hit(at) {
  const index = shown().findIndex((click) => away(click, at) < HIT);
  return index < 0 ? null : index;
}

export function press(at, adds) {
  if (!inside(at)) return announce("problem", "This is outside of the picture: click on the object.");
  forgetPreview();
  pressed = { index: hit(at), from: at, at, adds, moved: false };
}

/** Move the point that is pressed, or get ready to show what a click here would do. */
export function move(at) {
  if (!pressed) return rest(at);
  if (pressed.index === null) return;
  pressed.moved ||= away(pressed.from, at) > STILL;
  const limit = (value, size) => Math.max(0, Math.min(size - 0.001, value));
  pressed.at = [limit(at[0], store.video.width), limit(at[1], store.video.height)];
  draw();
}

/** Save what was pressed: a new click, one that was moved, or with the other button one that is taken away. */
export function release() {
  const { index, at, adds, moved } = pressed ?? {};
  if (!cancelPress()) return false;
  const clicks = [...shown()];
  const rounded = at.map((x) => Math.round(x * 1000) / 1000);
  if (index === null) clicks.push([...rounded, Number(adds)]);
  else if (moved) clicks[index] = [...rounded, clicks[index][2]];
  else if (!adds) clicks.splice(index, 1);
  else return true;
  edit({ kind: "click", frame: store.frame, object: label(), clicks });
  return true;
}

export function cancelPress() {
  if (!pressed) return false;
  pressed = null;
  draw();
  return true;
}

function forgetPreview() {
  clearTimeout(resting);
  if (preview) draw();
  preview = null;
}

function rest(at) {
  forgetPreview();
  resting = setTimeout(() => askPreview(at), REST);
}

const isQuick = () => slow.frame !== store.frame || slow.count < SLOW;

/** Show what a click at a position would do, where that is quick and nothing else is computed. */
async function askPreview(at) {
  const object = activeObject(), { frame } = store;
  const busy = asking || pending.length || store.job?.state === "running" || pressed;
  if (busy || !object || object.locked || !store.model.click?.here || !inside(at) || hit(at) !== null || !isQuick()) return;
  const begun = performance.now(), mine = resting;
  asking = true;
  try {
    const answer = await request("/api/preview", { frame, object: object.label, clicks: [...shown(), [...at, 1]] });
    const mask = answer.ok ? await decodeGreys(await answer.blob()) : null;
    if (slow.frame !== frame) Object.assign(slow, { frame, count: 0 });
    if (performance.now() - begun > QUICK) slow.count += 1;
    if (!mask || mine !== resting || frame !== store.frame) return;
    preview = tinted(mask, [{ ...object, label: 1 }], 0.4);
    draw();
  } catch { /* a click will say it */ } finally {
    asking = false;
  }
}

layers.push((context) => {
  if (store.tool !== "click" || !activeObject()) return;
  if (preview) context.drawImage(preview, 0, 0);
  const clicks = [...shown()];
  if (pressed?.moved) clicks[pressed.index] = [...pressed.at, clicks[pressed.index][2]];
  for (const click of clicks) paintPoint(context, click, activeObject().colour);
});

function paintPoint(context, [x, y, adds], colour) {
  const unit = 1 / view.scale;
  context.lineWidth = 2 * unit;
  context.fillStyle = adds ? colour : "#14171a";
  context.strokeStyle = "#ffffff";
  context.beginPath();
  context.arc(x, y, 7 * unit, 0, 7);
  context.fill();
  context.stroke();
  context.beginPath();
  context.moveTo(x - 3.5 * unit, y);
  context.lineTo(x + 3.5 * unit, y);
  if (adds) { context.moveTo(x, y - 3.5 * unit); context.lineTo(x, y + 3.5 * unit); }
  context.stroke();
}

/** Offer to download the network for clicks ("click") or for words ("find"). */
function openFetch(kind) {
  const dialog = $("network-dialog"), network = store.model[kind];
  const what = kind === "click" ? "clicks and boxes" : "words";
  const start = async () => {
    dialog.close();
    try { await post("/api/download", { network: kind }); } catch (error) { announce("problem", error.message); }
  };
  const link = (href, textContent) => make("a", { href, textContent, target: "_blank", rel: "noopener" });
  const size = network.megabytes ? `About ${network.megabytes} MB. ` : "";
  const source = link(network.source, new URL(network.source).host), licence = link(network.licence_url, network.licence);
  const about = make("span", {}, size, "From: ", source, ". Licence: ", licence, ".");
  fill(dialog, "network", `A network for ${what}`,
    make("p", { className: "quiet", textContent: `The weights of ${network.name} are not on this machine.` }),
    offer(`Download ${network.name}`, about, button("network-fetch", "Download", start)),
    make("div", { className: "actions" }, closing(dialog, "Not now")));
}

const get = Object.assign(button("click-fetch", "Download the network", () => openFetch("click")), { className: "small" });
const word = make("input", { type: "text", id: "find-word", maxLength: 60, placeholder: "dog, person" });
word.title = "Make an object of each thing that this word names on this frame (Enter)";
word.setAttribute("aria-label", "Find objects by a word");
const find = make("form", { className: "row", id: "find" }, make("label", { htmlFor: "find-word", textContent: "Find" }), word);
$("tool-hint").after(get);
$("objects").parentElement.append(find);

find.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!word.value.trim() || word.readOnly) return;
  if (!store.model.find?.here) return openFetch("find");
  word.readOnly = true;
  find.classList.add("busy");
  try {
    take(await post("/api/find", { frame: store.frame, word: word.value }));
    $("view").focus();
  } catch (error) {
    announce("problem", error.message);
  }
  word.readOnly = false;
  find.classList.remove("busy");
});

on("tool model loaded", () => {
  const { click } = store.model;
  get.hidden = !click || click.here;
  get.style.visibility = ["click", "guess"].includes(store.tool) ? "visible" : "hidden"; // its space stays
  get.title = click ? `${click.name} is faster and more accurate than GrabCut` : "";
});
on("tool frame document active", forgetPreview);
$("view").addEventListener("pointerleave", forgetPreview);
