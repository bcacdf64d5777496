/** The dialog of Export: kind, frames, objects, and the edge of cut-outs. */

import { button, closing, fill, make } from "./dialogs.js";
import { post } from "./link.js";
import { on, rangeOf, store } from "./store.js";

const $ = (id) => document.getElementById(id);
const left = new Set(); // labels that are not exported
const last = { kind: "png", apart: false, whole: false };

const check = (id, text, checked, change) => {
  const box = make("input", { type: "checkbox", id, checked, onchange: () => change(box.checked) });
  return make("label", {}, box, text);
};

function kinds() {
  return make("fieldset", { className: "choices" }, ...store.exports.map(({ kind, name, what }) => {
    const box = make("input", { type: "radio", name: "kind", value: kind, checked: kind === last.kind });
    box.addEventListener("change", () => { last.kind = kind; refreshOptions(); });
    return make("label", {}, box, make("span", { textContent: name }), make("small", { textContent: what }));
  }));
}

function frames() {
  if (!store.range) return make("p", { className: "quiet", textContent: "All frames; choose a range with In and Out" });
  const radio = (id, text, whole) => {
    const box = make("input", { type: "radio", name: "frames", id, checked: last.whole === whole });
    box.addEventListener("change", () => { last.whole = whole; });
    return make("label", {}, box, text);
  };
  const range = radio("export-range", ` ${rangeOf().join(" to ")}, from In to Out`, false);
  return make("fieldset", { className: "picks" }, make("legend", { textContent: "Frames" }), range, radio("export-all", " Everything", true));
}

function objects() {
  return make("fieldset", { className: "picks" }, make("legend", { textContent: "Objects" }), ...store.objects.map(({ label, name }) =>
    check(`export-${label}`, ` ${name}`, !left.has(label), (on) => { if (on) left.delete(label); else left.add(label); refreshOptions(); })));
}

export function openExport() {
  const dialog = $("export-dialog");
  const { feather, choke } = store;
  const state = make("span", { className: "quiet grow", id: "export-state" });
  state.setAttribute("role", "status");
  const edges = `Feather ${feather}, choke ${choke} pixels, as set in the views of cut-out objects`;
  const edge = make("p", { className: "quiet", id: "export-edges", textContent: edges });
  const apart = make("p", { id: "export-apart-row" }, check("export-apart", " One video per object", last.apart, (on) => { last.apart = on; }));
  const start = Object.assign(button("export-start", "Export", () => ask(state)), { className: "primary" });
  fill(dialog, "export", "Export", kinds(), frames(), objects(), edge, apart, make("div", { className: "actions" }, state, closing(dialog), start));
  refreshOptions();
  refreshExport();
}

async function ask(state) {
  const [first, end] = last.whole ? [0, store.video.frames - 1] : rangeOf();
  const { feather, choke } = store;
  const chosen = left.size ? { objects: chosenLabels() } : {};
  try {
    await post("/api/export", { kind: last.kind, first, last: end, feather, choke, apart: last.apart, ...chosen });
  } catch (error) {
    state.textContent = error.message;
  }
}

const chosenLabels = () => store.objects.map((each) => each.label).filter((label) => !left.has(label));

/** Show the options that the chosen kind has. */
function refreshOptions() {
  const { cuts, video } = store.exports.find((each) => each.kind === last.kind);
  $("export-edges").hidden = !cuts;
  $("export-apart-row").hidden = !video;
  $("export-start").disabled = store.job?.state === "running" || (store.objects.length > 0 && !chosenLabels().length);
}

function refreshExport() {
  const state = $("export-state");
  const { job } = store;
  if (!state || !$("export-dialog").open) return;
  refreshOptions();
  if (job?.kind !== "export") return;
  if (job.state === "running") state.textContent = job.total ? `${Math.round((100 * job.done) / job.total)} %` : "Starting";
  else if (job.state === "done") {
    const address = `/exports/${encodeURIComponent(job.result.name)}`;
    state.replaceChildren(make("a", { href: address, download: job.result.name, textContent: `Download ${job.result.name}`, id: "download" }));
    state.title = job.result.path;
  } else state.textContent = job.text;
}

on("job", refreshExport);
