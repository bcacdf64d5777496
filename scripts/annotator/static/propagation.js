/** The panel of propagation: range and direction, the running job, and the verdict on a fitted network. */

import { make, openWeights } from "./dialogs.js";
import { post } from "./link.js";
import { showChosen } from "./radios.js";
import { announce, on, rangeOf, store } from "./store.js";

const $ = (id) => document.getElementById(id);
const directions = document.querySelectorAll("[data-direction]");
const TITLES = {
  propagate: "Propagating", correct: "Changing masks", export: "Exporting",
  fit: "Fitting a network", download: "Downloading weights", fetch: "Downloading a network",
};

let watched = null; // number of the job that was seen at work

const isRunning = () => store.job?.state === "running";

/** Why nothing can be propagated now; "" when it can. */
function obstacle() {
  if (isRunning()) return `${TITLES[store.job.kind]}: wait until it is done, or cancel it.`;
  const drawn = [...store.frames.values()].some((state) => state.drawn.length);
  return drawn ? "" : "Draw an object on a frame, or press K on a frame with correct masks.";
}

function refreshPropagation() {
  if (!store.video) return;
  const [first, last] = rangeOf();
  $("range-text").textContent = store.range ? `Frames ${first} to ${last}` : "The whole video";
  showChosen(directions, (button) => button.dataset.direction === store.direction);
  const why = obstacle(), { job } = store, running = isRunning();
  $("propagate").disabled = $("fit-again").disabled = Boolean(why);
  $("propagate").hidden = running;
  $("propagate-why").textContent = running ? "" : why;
  $("fit-again").hidden = running || store.model.kind !== "fitted";
  $("job").hidden = !job || job.state === "done"; // a notice has said so
  if (!job) return;
  $("job-text").textContent = running ? `${TITLES[job.kind]}${job.text ? `: ${job.text}` : ""}` : job.text;
  $("cancel").hidden = $("job-progress").hidden = !running;
  if (job.total) Object.assign($("job-progress"), { max: job.total, value: job.done });
  else $("job-progress").removeAttribute("value");
}

/** Show the overlap of each object as long as the fitted network is in use. */
function refreshVerdict() {
  const { kind, verdict } = store.model;
  $("verdict").hidden = kind !== "fitted" || !verdict.length;
  if ($("verdict").hidden) return;
  $("verdict-list").replaceChildren(...verdict.map(({ name, percent, poor }) => {
    const overlap = percent === null ? "in no sample" : `${percent} %`;
    return make("li", { className: poor ? "poor" : "" }, make("span", {}, name), poor ? `${overlap}, weak` : overlap);
  }));
  $("verdict-advice").hidden = !verdict.some(({ poor }) => poor);
}

/** The tab's title says how far a job is; a notice says that it has ended. */
function refreshTitle() {
  const { job, video } = store;
  const percent = isRunning() && job.total ? `${Math.floor((100 * job.done) / job.total)} % · ` : "";
  document.title = video ? `${percent}${video.name} · Annotator` : "Annotator";
}

on("job", (job) => {
  refreshTitle();
  if (job?.state === "running") watched = job.number;
  const shows = job?.kind !== "correct"; // its answer says how it ended
  if (shows && job?.state === "failed") announce("problem", job.text);
  if (shows && job?.state === "done" && job.number === watched) announce("notice", job.text);
  if (job?.state !== "running") watched = null;
});

export async function propagate() {
  if (obstacle()) return announce("problem", obstacle());
  if (!store.model.kind) return openWeights();
  const [first, last] = rangeOf();
  const { direction } = store;
  try {
    await post("/api/propagate", { first, last, forward: direction !== "backward", backward: direction !== "forward" });
  } catch (error) {
    announce("problem", error.message);
  }
}

function cancelJob() {
  if (isRunning()) post("/api/cancel").catch((error) => announce("problem", error.message));
}

export function cancelPropagation() {
  if (store.job?.kind === "propagate") cancelJob();
}

for (const button of directions) {
  button.addEventListener("click", () => { store.direction = button.dataset.direction; refreshPropagation(); });
}
$("fit-again").addEventListener("click", openWeights);
$("cancel").addEventListener("click", cancelJob);
on("document job range loaded model", refreshPropagation);
on("model", refreshVerdict);
on("loaded", refreshTitle);
