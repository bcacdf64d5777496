/** Dialogs: help, import, weights, removal of an object; that of Export is in exporting.js. */

import { edit, post, take } from "./link.js";
import { announce, rangeOf, store } from "./store.js";

const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function fill(dialog, name, title, ...children) {
  const heading = make("h3", { id: `${name}-title`, textContent: title, tabIndex: -1, autofocus: true }); // Enter begins nothing
  dialog.replaceChildren(heading, ...children);
  if (!dialog.open) dialog.showModal();
}

export const closing = (dialog, text = "Close") => make("button", { textContent: text, type: "button", onclick: () => dialog.close() });

/** Show all keys: groups of [name, rows], a row is [keys, what they do]. */
export function openHelp(groups) {
  const dialog = $("help-dialog");
  const columns = [groups.slice(0, 3), groups.slice(3)].map((part) => make("div", {}, ...part.flatMap(([name, rows]) => [
    make("h4", { textContent: name }),
    make("dl", {}, ...rows.flatMap(([keys, what]) => [make("dt", {}, ...keys.map((key) => make("kbd", { textContent: key }))), make("dd", { textContent: what })])),
  ])));
  const saved = make("p", { className: "quiet", textContent: `Every edit is saved at once in ${store.workspace}.` });
  fill(dialog, "help", "Keys and mouse", make("div", { className: "keys" }, ...columns), saved, make("div", { className: "actions" }, closing(dialog)));
}

export function openImport() {
  const dialog = $("import-dialog");
  const files = make("input", { type: "file", multiple: true, accept: ".png,.bmp,.webp", id: "import-files" });
  files.setAttribute("aria-label", "Mask files");
  const mend = make("input", { type: "checkbox", id: "import-mend" });
  const state = make("span", { className: "grow" });
  state.setAttribute("role", "alert");
  const start = make("button", { className: "primary", textContent: "Import", id: "import-start", type: "button" });
  start.addEventListener("click", async () => {
    const form = new FormData();
    for (const file of files.files) form.append("files", file);
    form.append("mend", String(mend.checked));
    form.append("frame", String(store.frame));
    start.disabled = true;
    state.textContent = "Working";
    try {
      take(await post("/api/import", form));
      dialog.close();
    } catch (error) {
      state.textContent = error.message;
    }
    start.disabled = false;
  });
  fill(dialog, "import", "Import masks",
    make("p", { textContent: "PNG files named after their frames: 00012.png or 12.png for frame 12. A single file with another name is for the current frame. Each label or colour is an object." }),
    make("p", {}, files),
    make("label", {}, mend, " They are a result to correct: propagation may change them"),
    make("div", { className: "actions" }, state, closing(dialog, "Cancel"), start));
}

export const offer = (name, what, ...controls) => make("div", { className: "offer" }, make("span", {}, name), make("small", {}, what), make("div", {}, ...controls));

export function openWeights() {
  const dialog = $("weights-dialog");
  const go = async (path, body) => {
    try {
      await post(path, body);
      dialog.close();
    } catch (error) {
      announce("problem", error.message);
    }
  };
  const minutes = make("input", { type: "number", min: "1", value: "5", id: "fit-minutes" });
  minutes.setAttribute("aria-label", "Minutes");
  const now = store.model.kind ? "The network in use was fitted to this video." : `There are no weights at ${store.model.published}.`;
  fill(dialog, "weights", "A network for propagation",
    make("p", { className: "quiet", textContent: now }),
    offer("Download the published weights", "About 170 MB, trained on many videos. The best choice.", make("button", { textContent: "Download", id: "weights-fetch", type: "button", onclick: () => go("/api/download") })),
    offer("Fit a network to all that is drawn", "It learns only these objects, on this machine, and replaces the network fitted before.", minutes, "minutes", make("button", { textContent: "Fit", id: "weights-fit", type: "button", onclick: () => go("/api/fit", { minutes: Number(minutes.value) }) })),
    offer("Continue by hand", "All drawing tools and exports work without a network.", closing(dialog, "By hand")));
}

export function askRemoval(object) {
  const dialog = $("remove-dialog");
  const act = (body) => () => { dialog.close(); edit({ object: object.label, ...body }); };
  const [first, last] = rangeOf();
  const removal = (name, what, id, body) => offer(name, what, make("button", { textContent: "Remove", id, type: "button", onclick: act(body) }));
  fill(dialog, "remove", `Remove ${object.name}`,
    removal("From this frame", `Frame ${store.frame}`, "remove-frame", { kind: "erase", first: store.frame, last: store.frame }),
    removal("From the range", store.range ? `Frames ${first} to ${last}` : "The whole video; choose a range with In and Out", "remove-range", { kind: "erase", first, last }),
    removal("Everywhere", "The object and all its masks", "remove-all", { kind: "remove" }),
    make("div", { className: "actions" }, closing(dialog, "Cancel")));
}

export const isOpen = () => document.querySelector("dialog[open]") !== null;

$("import").addEventListener("click", openImport);
