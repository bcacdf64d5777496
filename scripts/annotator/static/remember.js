/** Keeps over a reload what is only on this page: frame, tool, object, range and looks. Import it before all others. */

import { announce, on, store } from "./store.js";

const KEPT = ["frame", "tool", "active", "radius", "range", "direction", "opacity", "mode", "feather", "choke", "loop", "heard"];
const FINE = 40; // a brush's radius begins with the video's height by this

let restored = false;
const storageKey = () => `${store.workspace} ${store.video.fingerprint}`;

/** Take what was kept, where it still fits. */
function restore() {
  const { frames, height } = store.video;
  store.radius = Math.max(1, Math.round(height / FINE));
  const kept = JSON.parse(sessionStorage.getItem(storageKey()) ?? "{}");
  if (!store.objects.some((each) => each.label === kept.active)) delete kept.active;
  if (!document.querySelector(`[data-tool="${kept.tool}"]`)) delete kept.tool;
  if (!(kept.frame < frames)) delete kept.frame;
  if (!(kept.range?.[1] < frames)) delete kept.range;
  for (const name of KEPT) if (kept[name] !== undefined) store[name] = kept[name];
  restored = true;
  for (const topic of ["restored", "active", "frame"]) announce(topic);
}

function keep() {
  if (restored) sessionStorage.setItem(storageKey(), JSON.stringify(Object.fromEntries(KEPT.map((name) => [name, store[name]]))));
}

on("loaded", () => { if (!restored) restore(); });
on("frame tool active range look document playing", keep);
