/** What the page knows: a copy of the server's state, and what is only on this page (frame, tool, range). */

export const store = {
  video: null, // {name, frames, width, height, pixel_aspect, fps, fingerprint, workspace_id, thumbnails}
  workspace: "",
  model: { kind: null, scribbles: "", click: null, find: null },
  objects: [], // {label, name, colour, hidden, locked}
  frames: new Map(), // number -> {version, present, drawn, reviewed, clicks: {object, clicks} or null, copied, scribbles}
  undo: null,
  redo: null,
  next: { label: 1, colour: "#e69f00" },
  revision: -1,
  job: null,
  exports: [], // {kind, name, what, cuts, video}
  limits: {}, // {feather, choke, radius: [smallest, largest], objects}
  frame: 0,
  active: null, // label of the chosen object
  choosesNext: false, // the next object that appears was added here, and becomes the chosen one
  tool: "brush",
  radius: 12,
  opacity: 45,
  masksShown: true,
  mode: "overlay", // how masks are shown, see views.js
  feather: 0, // of cut-outs, in pixels of the video
  choke: 0,
  range: null, // [first, last], or null for the whole video
  direction: "both",
  playing: false,
  loop: false, // play the range again and again
  heard: true, // with sound
};

const listeners = new Map();

/** Call a function whenever one of the topics is announced. */
export function on(topics, listener) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic).add(listener);
  }
}

export function announce(topic, detail) {
  for (const listener of listeners.get(topic) ?? []) {
    try { listener(detail); } catch (error) { reportError(error); } // the other listeners and the link go on
  }
}

const UNTOUCHED = Object.freeze({ version: 0, present: [], drawn: [], reviewed: false, copied: false, scribbles: [], clicks: null });

export function frameState(frame) {
  return store.frames.get(frame) ?? UNTOUCHED;
}

export function activeObject() {
  return store.objects.find((each) => each.label === store.active) ?? null;
}

/** First and last frame of the chosen range. */
export function rangeOf() {
  return store.range ?? [0, store.video.frames - 1];
}

/** Take over a change that the server tells of; false when one before it was missed. */
export function applyChange(change, whole = false) {
  if (!whole && change.revision <= store.revision) return true;
  if (!whole && change.revision > store.revision + 1) return false;
  store.revision = change.revision;
  if (whole) store.frames.clear();
  for (const [frame, version, present, drawn, reviewed, clicks, copied, scribbles] of change.frames) {
    if (version) store.frames.set(frame, { version, present, drawn, reviewed, clicks, copied, scribbles });
    else store.frames.delete(frame);
  }
  const known = new Set(store.objects.map((each) => each.label));
  store.objects = change.objects;
  if (store.choosesNext) {
    const added = store.objects.find((each) => !known.has(each.label));
    if (added) Object.assign(store, { active: added.label, choosesNext: false });
  }
  store.undo = change.undo;
  store.redo = change.redo;
  store.next = change.next;
  if (!activeObject()) store.active = store.objects.at(-1)?.label ?? null;
  announce("document", change);
  return true;
}

export function setFrame(frame) {
  const wanted = Math.max(0, Math.min(store.video.frames - 1, Math.round(frame)));
  if (wanted === store.frame) return;
  announce("leaving");
  store.frame = wanted;
  announce("frame");
}
