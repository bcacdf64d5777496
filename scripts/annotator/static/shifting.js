/** Masks moved and scaled by mouse or keys, and objects chosen by a click. */

import { framesOf, has, labelToMend, problem } from "./mending.js";
import { middleOf } from "./moving.js";
import { choose } from "./panels.js";
import { heldLabels } from "./pictures.js";
import { announce, store } from "./store.js";
import { draw, view } from "./view.js";

const PAUSE = 700; // ms after the last key that moves a mask until the move is saved
let timer = 0;

/** Choose the object at a position of the video, if there is one. */
export function pick([x, y]) {
  const { width, height } = store.video, column = Math.floor(x), row = Math.floor(y);
  if (column < 0 || row < 0 || column >= width || row >= height) return;
  const label = heldLabels(store.frame)?.[row * width + column];
  if (store.objects.some((each) => each.label === label)) choose(label);
}

/** Begin to move the mask, or go on with it; null where there is none. */
export function beginMove() {
  if (view.draft?.kind === "move" && view.draft.frame === store.frame) return view.draft;
  if (view.draft?.kind === "polygon") return problem("Close the polygon first (Enter), or drop it (Esc).") ?? null;
  const object = labelToMend();
  if (object === null) return null;
  if (!has(store.frame, object)) return problem("The object has no mask on this frame.") ?? null;
  view.draft = { kind: "move", frame: store.frame, object, ...framesOf(), dx: 0, dy: 0, scale: 1 };
  return view.draft;
}

/** Move the mask by pixels of the video and scale it; saved when no more comes. */
export function nudge(dx, dy, factor = 1) {
  const draft = beginMove();
  if (!draft) return;
  Object.assign(draft, { dx: draft.dx + dx, dy: draft.dy + dy, scale: Math.max(0.05, Math.min(20, draft.scale * factor)) });
  clearTimeout(timer);
  timer = setTimeout(() => announce("pause", draft), PAUSE);
  draw();
}

/** Whether a move changes the mask at all; else there is nothing to save. */
export const isMoved = ({ dx, dy, scale }) => dx !== 0 || dy !== 0 || scale !== 1;

/** Bring a move to where the pointer is: from where it came down, shifted, or scaled about the mask's middle. */
export function dragMove(draft, from, at, scales) {
  const [x, y] = middleOf(draft.object).map((middle, axis) => middle + (axis ? from.dy : from.dx));
  const factor = Math.hypot(at[0] - x, at[1] - y) / Math.max(1, Math.hypot(from.at[0] - x, from.at[1] - y));
  const [dx, dy] = scales ? [0, 0] : [Math.round(at[0] - from.at[0]), Math.round(at[1] - from.at[1])];
  Object.assign(draft, { dx: from.dx + dx, dy: from.dy + dy, scale: Math.max(0.05, Math.min(20, from.scale * (scales ? factor : 1))) });
}
