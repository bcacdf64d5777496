/** The scribbles that a frame's masks were made of: faintly drawn, and each can be removed while the tool is chosen. */

import { edit, pending } from "./link.js";
import { frameState, store } from "./store.js";
import { pixelSize } from "./view.js";

const RADIUS = 7; // of the button that removes a scribble, in pixels of the screen

const counting = () => frameState(store.frame).scribbles.filter(({ n }) => !pending.some(({ body }) => body.kind === "unscribble" && body.of === n));

export function paintScribbles(context) {
  const [wide, high] = pixelSize();
  for (const { object, points, positive } of counting()) {
    const of = store.objects.find((each) => each.label === object);
    if (!of || of.hidden) continue;
    context.save();
    context.lineJoin = context.lineCap = "round";
    context.strokeStyle = positive ? of.colour : "#ffffff";
    context.globalAlpha = 0.5;
    context.lineWidth = 2.5 / high;
    if (!positive) context.setLineDash([5 / high, 5 / high]);
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
    context.restore();
    if (store.tool === "scribble") paintButton(context, points[0], wide, high);
  }
}

function paintButton(context, [x, y], wide, high) {
  context.save();
  context.translate(x, y);
  context.scale(1 / wide, 1 / high);
  context.fillStyle = "rgb(13 15 17 / .8)";
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(0, 0, RADIUS, 0, 7);
  context.fill();
  context.beginPath();
  for (const side of [-1, 1]) { context.moveTo(-3, -3 * side); context.lineTo(3, 3 * side); }
  context.stroke();
  context.restore();
}

/** Remove the scribble whose button is at a position of the video; false when there is none. */
export function removeScribble([x, y]) {
  const [wide, high] = pixelSize();
  const found = counting().findLast(({ points: [[x0, y0]] }) => Math.hypot((x - x0) * wide, (y - y0) * high) <= RADIUS);
  if (found) edit({ kind: "unscribble", frame: store.frame, object: found.object, of: found.n });
  return Boolean(found);
}
