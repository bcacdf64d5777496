/** Small pictures of the timeline, with the masks that their frames have. */

import { fetchGreys } from "./pictures.js";
import { announce, frameState, on, store } from "./store.js";
import { tinted } from "./views.js";

const images = new Map(); // frame -> image
const masks = new Map(); // frame -> {version, labels: {greys, width, height}, look, canvas}
const OPACITY = 0.75;

/** The frame nearest to one that has a picture by now; undefined as long as there is none. */
export function nearest(frame) {
  let best;
  for (const known of images.keys()) if (best === undefined || Math.abs(known - frame) < Math.abs(best - frame)) best = known;
  return best;
}

export function paintThumbnail(context, frame, x, width, height) {
  context.drawImage(images.get(frame), x, 0, width, height);
  const mask = maskOf(frame);
  if (mask && store.masksShown) context.drawImage(mask, x, 0, width, height);
}

/** The masks of a frame as a small canvas: as they were until they are fetched; null where there are none. */
function maskOf(frame) {
  const { version } = frameState(frame);
  const kept = masks.get(frame);
  if (kept?.version !== version) load(frame, version, kept);
  if (!kept?.labels || !version) return null;
  const look = store.objects.map((each) => `${each.label}${each.colour}${each.hidden}`).join();
  if (kept.look !== look) Object.assign(kept, { look, canvas: tinted(kept.labels, store.objects, OPACITY) });
  return kept.canvas;
}

function load(frame, version, kept) {
  masks.set(frame, { ...kept, version });
  if (!version) return;
  const address = `/small_masks/${frame}/${version}.png?w=${store.video.workspace_id}`;
  fetchGreys(address).then((labels) => {
    if (masks.get(frame)?.version !== version) return;
    masks.set(frame, { version, labels });
    announce("scale");
  }, () => masks.delete(frame)); // asked for again when it is painted again
}

function loadImage(frame) {
  if (!store.video || images.has(frame)) return;
  const image = new Image();
  image.onload = () => { images.set(frame, image); announce("scale"); };
  image.src = `/thumbnails/${frame}.jpg`;
}

on("thumbnail", loadImage);
on("loaded", () => { masks.clear(); store.video.thumbnails.forEach(loadImage); });
