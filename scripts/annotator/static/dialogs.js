/** Dialogs: help, import, weights, removal of an object. */

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

export const button = (id, textContent, onclick, disabled = false) => make("button", { id, type: "button", textContent, onclick, disabled });
export const closing = (dialog, text = "Close") => button("", text, () => dialog.close());

/** A row of a dialog: its name, what it is about, and its controls. */
export const offer = (name, what, ...controls) => (
  make("div", { className: "offer" }, make("span", {}, name), make("small", {}, what), make("div", {}, ...controls))
);

/** Show all keys: groups of [name, rows], a row is [keys, what they do]. */
export function openHelp(groups) {
  const dialog = $("help-dialog");
  const columns = [groups.slice(0, 3), groups.slice(3)].map((part) => make("div", {}, ...part.flatMap(([name, rows]) => [
    make("h4", { textContent: name }),
    make("dl", {}, ...rows.flatMap(([keys, what]) => [
      make("dt", {}, ...keys.map((key) => make("kbd", { textContent: key }))), make("dd", { textContent: what }),
    ])),
  ])));
  const saved = make("p", { className: "quiet", textContent: `Every edit is saved at once in ${store.workspace}.` });
  fill(dialog, "help", "Keys and mouse", make("div", { className: "keys" }, ...columns), saved, make("div", { className: "actions" }, closing(dialog)));
}

export function openImport() {
  $("import-files").value = $("import-state").textContent = "";
  $("import-dialog").showModal();
}

async function importMasks() {
  const form = new FormData();
  for (const file of $("import-files").files) form.append("files", file);
  form.append("to_correct", String($("import-predictions").checked));
  form.append("frame", String(store.frame));
  $("import-start").disabled = true;
  $("import-state").textContent = "Working";
  try {
    take(await post("/api/import", form));
    $("import-dialog").close();
  } catch (error) {
    $("import-state").textContent = error.message;
  }
  $("import-start").disabled = false;
}

export function openWeights() {
  const { kind, published } = store.model;
  $("weights-now").textContent = kind ? "The network in use was fitted to this video." : `There are no weights at ${published}.`;
  $("weights-dialog").showModal();
}

/** Ask for a network in the way of a path of the server. */
async function getNetwork(path, body) {
  try {
    await post(path, body);
    $("weights-dialog").close();
  } catch (error) {
    announce("problem", error.message);
  }
}

export function askRemoval(object) {
  const [first, last] = rangeOf(), range = `Frames ${first} to ${last}`;
  $("remove-title").textContent = `Remove ${object.name}`;
  $("remove-frame-what").textContent = `Frame ${store.frame}`;
  $("remove-range-what").textContent = store.range ? range : "The whole video; choose a range with In and Out";
  const acts = {
    "remove-frame": { kind: "erase", first: store.frame, last: store.frame },
    "remove-range": { kind: "erase", first, last },
    "remove-all": { kind: "remove" },
  };
  for (const [id, body] of Object.entries(acts)) {
    $(id).onclick = () => { $("remove-dialog").close(); edit({ object: object.label, ...body }); };
  }
  $("remove-dialog").showModal();
}

export const isOpen = () => document.querySelector("dialog[open]") !== null;

$("import").addEventListener("click", openImport);
$("import-start").addEventListener("click", importMasks);
$("weights-fetch").addEventListener("click", () => getNetwork("/api/download"));
$("weights-fit").addEventListener("click", () => getNetwork("/api/fit", { minutes: Number($("fit-minutes").value) }));
