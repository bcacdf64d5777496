/** The panel of tools: their buttons and hints, the size of the brush, the opacity of masks. */

import { methodOf } from "./click.js";
import { icon } from "./icons.js";
import { showChosen } from "./radios.js";
import { announce, on, store } from "./store.js";
import { chooseTool, setRadius } from "./tools.js";
import { openHere, view } from "./view.js";

const canvas = document.getElementById("view");

export const TOOLS = {
  brush: { name: "Brush", key: "B", hint: "Draw the object. The right button erases." },
  eraser: { name: "Eraser", key: "E", hint: "Erase the chosen object; with Alt, every object." },
  polygon: { name: "Polygon", key: "P", hint: "Click the corners. Enter, a double click or a click on the first corner closes. With Alt, it erases." },
  box: { name: "Box", key: "X", hint: "Drag a filled box. With Alt, it erases." },
  scribble: { name: "Scribble", key: "S", hint: "Draw lines on the object; right button: on the background. × removes a line. They give the mask." },
  click: { name: "Click", key: "C", hint: "Click on the object; right button: on the background. Drag a point to move it; right-click it to remove it." },
  guess: { name: "Guess", key: "G", hint: "Drag a box around the object to compute a mask. With Shift, it replaces the object's mask." },
  shift: { name: "Shift", key: "Z", hint: "Drag a mask; with Shift, drag its edge to scale it. A click chooses an object." },
  pan: { name: "Move", key: "V", hint: "Drag to move the video, as with the middle button. A click chooses an object." },
};

const buttons = document.getElementById("tools");
for (const [tool, { name, key }] of Object.entries(TOOLS)) {
  const button = document.createElement("button");
  button.dataset.tool = tool;
  button.setAttribute("role", "radio");
  button.title = `${name} (${key})`;
  button.setAttribute("aria-label", name);
  button.append(icon(tool), name);
  button.addEventListener("click", () => chooseTool(tool));
  buttons.append(button);
}

const size = document.getElementById("size");
size.addEventListener("input", () => setRadius(Number(size.value)));
const opacity = document.getElementById("opacity");
opacity.addEventListener("input", () => {
  store.opacity = Number(opacity.value);
  document.getElementById("opacity-out").textContent = opacity.value;
  announce("look");
});

function refresh() {
  opacity.value = document.getElementById("opacity-out").textContent = String(store.opacity);
  showChosen(buttons.children, (button) => button.dataset.tool === store.tool);
  const drawsRound = store.tool === "brush" || store.tool === "eraser";
  document.getElementById("size-row").classList.toggle("unused", !drawsRound);
  canvas.classList.toggle("brush", drawsRound);
  canvas.classList.toggle("pan", store.tool === "pan");
  if (!drawsRound) view.cursor = null;
  const elsewhere = view.draft?.kind === "polygon" && !openHere();
  const computed = ["scribble", "click", "guess"].includes(store.tool);
  const how = computed ? ` (${methodOf(store.tool)})` : "";
  const hint = TOOLS[store.tool].hint.replace(/\.$/, `${how}.`);
  document.getElementById("tool-hint").textContent = elsewhere ? `A polygon is open on frame ${view.draft.frame}.` : hint;
  size.value = String(store.radius);
  document.getElementById("size-out").textContent = String(Math.round(store.radius * 2) / 2);
}

on("loaded", () => {
  Object.assign(size, { min: store.limits.radius[0], max: Math.max(20, Math.round(store.video.height / 5)) });
});
on("tool model loaded frame restored", refresh);
