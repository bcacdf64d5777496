/** The panel that corrects masks: copies them from other frames and changes their edges. */

import { edit, request } from "./link.js";
import { decodeGreys, heldLabels } from "./pictures.js";
import { showChosen } from "./radios.js";
import { activeObject, announce, frameState, on, rangeOf, store } from "./store.js";
import { draw, view } from "./view.js";

const $ = (id) => document.getElementById(id);
const AMOUNTS = { grow: [2, 100], shrink: [2, 100], smooth: [3, 100], holes: [200, 1e6], specks: [50, 1e6] }; // first value, largest
const scopes = document.querySelectorAll("[data-scope]");

let scope = "frame"; // where masks are moved and edges changed: frame, range or all
let copied = null; // {object, frame} for paste
let asked = 0; // number of the last preview

const every = () => $("mend-every").checked;
const send = (body) => { announce("leaving"); return edit(body); }; // behind what is being drawn or moved
export const problem = (text) => announce("problem", text);

/** First and last frame of what is changed. */
export function framesOf() {
  if (scope === "frame") return { first: store.frame, last: store.frame };
  const [first, last] = scope === "range" ? rangeOf() : [0, store.video.frames - 1];
  return { first, last };
}

/** Label of the chosen object, 0 for every one, or null where there is none that can be changed. */
export function labelToMend() {
  const object = activeObject();
  if (!object) return problem("There is no object yet: draw one first.") ?? null;
  if (every()) return 0;
  return object.locked ? problem(`${object.name} is locked: unlock it first.`) ?? null : object.label;
}

export const has = (frame, label) => (label ? frameState(frame).present.includes(label) : frameState(frame).present.length > 0);

/** The nearest frame that was drawn or reviewed and has the object, and is no copy; the earlier one of two. */
function nearestGood(label) {
  const isGood = ({ drawn, reviewed, copied }) => reviewed || (!copied && (label ? drawn.includes(label) : drawn.length > 0));
  const good = [...store.frames].filter(([frame, state]) => frame !== store.frame && has(frame, label) && isGood(state));
  const away = ([frame]) => Math.abs(frame - store.frame) + (frame > store.frame ? 0.5 : 0);
  return good.sort((a, b) => away(a) - away(b))[0]?.[0] ?? null;
}

/** Give this frame the object's mask of another one. */
export function copyFrom(where) {
  const object = labelToMend();
  if (object === null) return;
  const source = { previous: store.frame - 1, next: store.frame + 1, nearest: nearestGood(object) }[where];
  if (source === null) return problem("No other frame with this object is drawn or reviewed.");
  if (source < 0 || source >= store.video.frames || !has(source, object)) return problem(`The ${where} frame has no mask of the object.`);
  send({ kind: "copy", object, source, first: store.frame, last: store.frame });
}

export function copy() {
  const object = labelToMend();
  if (object === null) return;
  if (!has(store.frame, object)) return problem("The object has no mask on this frame.");
  copied = { object, frame: store.frame };
  announce("notice", `Copied from frame ${store.frame}: Ctrl+V pastes it on a frame, Ctrl+Shift+V on the range.`);
}

export function paste(onRange) {
  if (!copied) return problem("Nothing is copied yet: press Ctrl+C on the frame with the mask.");
  if (onRange && !store.range) return problem("Choose a range with In (I) and Out (U) first.");
  const [first, last] = onRange ? store.range : [store.frame, store.frame];
  send({ kind: "copy", object: copied.object, source: copied.frame, first, last });
}

/** The edit that is chosen in the panel, or null. */
function refinement() {
  const how = $("edges-how").value, object = every() ? 0 : store.active;
  if (!how || object === null) return null;
  const amount = Math.max(1, Math.min(AMOUNTS[how][1], Math.round(Number($("edges-amount").value)) || 1));
  return { kind: "refine", object, how, amount };
}

/** Show what the chosen change of edges makes of this frame. */
async function preview() {
  const mine = ++asked, refine = refinement(), { frame } = store;
  $("edges-amount").disabled = $("edges-apply").disabled = !refine;
  $("edges-state").textContent = "";
  if (view.preview && (!refine || view.preview.frame !== frame)) { view.preview = null; draw(); }
  if (!refine) return;
  try {
    const response = await request("/api/remade", { ...refine, first: frame, last: frame });
    const labels = response.ok ? (await decodeGreys(await response.blob())).greys : null;
    const reason = response.ok ? "" : (await response.json()).error;
    if (mine !== asked) return;
    const now = heldLabels(frame);
    const changed = labels?.reduce((sum, label, index) => sum + (label !== (now?.[index] ?? 0)), 0);
    $("edges-state").textContent = reason || `Preview: ${changed} pixels of this frame change.`;
    view.preview = labels && { frame, labels, number: mine };
    draw();
  } catch { /* there is no server: the status line says so */ }
}

export function endPreview() {
  if (!$("edges-how").value) return false;
  $("edges-how").value = "";
  preview();
  return true;
}

function apply() {
  const refine = refinement();
  if (labelToMend() === null || !refine) return;
  send({ ...refine, ...framesOf() }).then((saved) => { if (saved) endPreview(); });
}

function refresh() {
  showChosen(scopes, (button) => button.dataset.scope === scope);
  const [first, last] = store.video ? rangeOf() : [0, 0];
  $("mend-range").title = store.range ? `Frames ${first} to ${last}` : "The whole video; choose a range with In and Out";
}

for (const button of scopes) button.addEventListener("click", () => { scope = button.dataset.scope; refresh(); });
$("edges-how").addEventListener("change", () => {
  const how = $("edges-how").value;
  if (how) Object.assign($("edges-amount"), { value: String(AMOUNTS[how][0]), max: String(AMOUNTS[how][1]) });
  preview();
});
$("edges-amount").addEventListener("input", preview);
$("mend-every").addEventListener("change", preview);
$("edges-apply").addEventListener("click", apply);
on("document frame active", preview);
on("document range loaded", refresh);
