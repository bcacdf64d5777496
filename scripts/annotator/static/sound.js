/** The video's sound while it plays, at its normal speed. */

import { announce, on, store } from "./store.js";

const LATE = 0.15; // seconds by which the sound may be off before it is set right
const button = document.getElementById("sound");
export const audio = new Audio();
audio.preload = "none";

function follow() {
  if (!store.video?.sound || !store.playing || !store.heard) return audio.pause();
  const due = store.frame / store.video.fps;
  if (Math.abs(audio.currentTime - due) > LATE) audio.currentTime = due;
  if (audio.paused && !audio.ended) audio.play().catch(() => {}); // until the page has been clicked, browsers refuse
}

function refresh() {
  if (!store.video) return;
  button.hidden = !store.video.sound;
  button.setAttribute("aria-pressed", String(store.heard));
}

button.addEventListener("click", () => { store.heard = !store.heard; announce("look"); follow(); });
on("playing frame", follow);
on("look restored", refresh);
on("loaded", () => {
  const address = `/sound?v=${store.video.fingerprint}`;
  if (store.video.sound && !audio.src.endsWith(address)) audio.src = address;
  refresh();
});
