/** Frames and masks as the canvas needs them, fetched when they are wanted and kept within bounds. */

import { frameState, store } from "./store.js";

const FRAME_BYTES = 160e6; // of decoded frames
const LABEL_BYTES = 48e6; // of label maps

/** Keeps what was used last. Keys end in frame/version; the current frame and the shown bitmap are never dropped. */
class Cache {
  constructor(limit, dispose = () => {}) {
    Object.assign(this, { limit, dispose, items: new Map(), bytes: 0, shown: null });
  }
  get(key) {
    const item = this.items.get(key);
    if (item) { this.items.delete(key); this.items.set(key, item); }
    return item?.value;
  }
  set(key, value, bytes) {
    this.drop(key);
    this.items.set(key, { value, bytes });
    this.bytes += bytes;
    for (const [oldest, item] of this.items) {
      if (this.bytes <= this.limit) break;
      const frame = Number(oldest.split("/").at(-2));
      if (item.value !== this.shown && frame !== store.frame) this.drop(oldest);
    }
  }
  drop(key) {
    const item = this.items.get(key);
    if (!item) return;
    this.items.delete(key);
    this.bytes -= item.bytes;
    this.dispose(item.value);
  }
}

const frames = new Cache(FRAME_BYTES, (bitmap) => bitmap.close());
const labelMaps = new Cache(LABEL_BYTES);
const opacities = new Cache(LABEL_BYTES);
const wanted = new Map(); // address -> promise

/** Set the bitmap that is shown; it stays open until another one is set. */
export function setShown(bitmap) {
  frames.shown = bitmap;
}

/** Decoded bytes that are held, for tests. */
export const held = () => ({ frames: frames.bytes, labels: labelMaps.bytes + opacities.bytes });

let reduction = 1;

/** Ask for smaller frames from now on: the screen has no more pixels. */
export function setReduction(value) {
  reduction = value;
}

const frameKey = (frame) => `${frame}/${reduction}`;

/** A frame's bitmap if it is at hand. */
export const heldFrame = (frame) => frames.get(frameKey(frame)) ?? frames.get(`${frame}/1`);

/** Fetch a frame; resolves to its bitmap, or throws why it cannot be shown. */
export function fetchFrame(frame) {
  const key = frameKey(frame);
  const address = `/frames/${frame}.jpg?reduce=${reduction}&v=${store.video.fingerprint}`;
  return once(address, async () => {
    const response = await fetch(address);
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? "This frame could not be loaded.");
    const bitmap = await createImageBitmap(await response.blob());
    frames.set(key, bitmap, bitmap.width * bitmap.height * 4);
    return bitmap;
  });
}

/** A server that was started anew may give other labels the same version. */
const labelKey = (frame, version) => `${store.video.workspace_id}/${frame}/${version}`;

/** A frame's labels, one byte a pixel, at its version now, if they are at hand; null when it has none. */
export function heldLabels(frame) {
  const { version } = frameState(frame);
  return version ? labelMaps.get(labelKey(frame, version)) : null;
}

export function fetchLabels(frame) {
  const { version } = frameState(frame);
  if (!version) return Promise.resolve(null);
  return fetchInto(labelMaps, `/masks/${frame}/${version}.png?w=${store.video.workspace_id}`, labelKey(frame, version));
}

const opacityKey = (frame, without) => `${without}/${store.feather}/${store.choke}/${labelKey(frame, frameState(frame).version)}`;

/** How opaque a frame is in cut-outs, one byte a pixel, if it is at hand; `without` are labels left out. */
export const heldOpacity = (frame, without) => opacities.get(opacityKey(frame, without));

export function fetchOpacity(frame, without) {
  const { feather, choke, video } = store;
  const how = new URLSearchParams({ feather, choke, without, w: video.workspace_id });
  const address = `/opacity/${frame}/${frameState(frame).version}.png?${how}`;
  return fetchInto(opacities, address, opacityKey(frame, without));
}

function fetchInto(cache, address, key) {
  return once(address, async () => {
    const { greys } = await fetchGreys(address);
    cache.set(key, greys, greys.length);
    return greys;
  });
}

/** Fetch a picture of one byte a pixel: resolves to {greys, width, height}. */
export async function fetchGreys(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error("The masks of this frame could not be loaded.");
  return decodeGreys(await response.blob());
}

/** Decode a PNG of the server, one byte a pixel: resolves to {greys, width, height}. */
export async function decodeGreys(png) {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  return { greys: Uint8Array.from(pixels, (pixel) => pixel & 255), width, height };
}

function once(address, load) {
  if (!wanted.has(address)) wanted.set(address, load().finally(() => wanted.delete(address)));
  return wanted.get(address);
}

/** Fetch the frames around one ahead of time. */
export function prefetch(frame, direction, count) {
  for (let step = 1; step <= count; step++) {
    const near = frame + direction * step;
    if (near < 0 || near >= store.video.frames) return;
    if (!heldFrame(near)) fetchFrame(near).catch(() => {});
    if (heldLabels(near) === undefined) fetchLabels(near).catch(() => {});
  }
}
