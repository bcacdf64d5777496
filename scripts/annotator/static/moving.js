/** How a mask that is being moved looks: the object's pixels of this frame, scaled about their middle and shifted. */

import { pending } from "./link.js";
import { heldLabels } from "./pictures.js";
import { frameState, store } from "./store.js";
import { view } from "./view.js";
import { tinted } from "./views.js";

let picture = null;
let made = ""; // what the picture holds
let middle = [0, 0]; // of the bounding box

/** Objects that are painted where they are: without those that a move paints. */
export function unmoved() {
  const move = moveHere();
  return move ? store.objects.filter((each) => !isMovedBy(move.object)(each)) : store.objects;
}

/** The move that is being made on this frame, or is not saved yet. */
export function moveHere() {
  const waiting = pending.find(({ body }) => body.kind === "move" && body.first <= store.frame && store.frame <= body.last);
  return view.draft?.kind === "move" && view.draft.frame === store.frame ? view.draft : waiting?.body ?? null;
}

const isMovedBy = (object) => (each) => (object ? each.label === object : !each.locked);

/** Paint the moved pixels. */
export function paintMove(context, { object, dx, dy, scale }) {
  const labels = heldLabels(store.frame);
  if (!labels) return;
  const { width, height } = store.video;
  const objects = store.objects.filter(isMovedBy(object)), looks = objects.map((each) => each.label + each.colour);
  const wanted = [store.video.workspace_id, store.frame, frameState(store.frame).version, store.opacity, ...looks].join();
  if (made !== wanted) {
    picture = tinted({ greys: labels, width, height }, objects, store.opacity / 100);
    middle = middleOf(object);
    made = wanted;
  }
  context.save();
  context.translate(middle[0] + dx, middle[1] + dy);
  context.scale(scale, scale);
  context.drawImage(picture, -middle[0], -middle[1]);
  context.restore();
}

/** Middle (x, y) of the bounding box of an object on this frame, or, for 0, of all that are not locked. */
export function middleOf(object) {
  const labels = heldLabels(store.frame) ?? [], { width } = store.video;
  const are = new Set(store.objects.filter(isMovedBy(object)).map((each) => each.label));
  let [left, right, top, bottom] = [Infinity, -1, Infinity, -1];
  for (let i = 0; i < labels.length; i++) {
    if (!are.has(labels[i])) continue;
    const x = i % width, y = Math.floor(i / width);
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    bottom = y;
  }
  return [(left + right + 1) / 2, (top + bottom + 1) / 2];
}
