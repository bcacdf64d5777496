/** The list of objects, and the dialog of one: its class, its order, and merging. */

import { askRemoval, button, closing, fill, make, offer } from "./dialogs.js";
import { icon } from "./icons.js";
import { edit, pending } from "./link.js";
import { choose } from "./panels.js";
import { on, store } from "./store.js";

const $ = (id) => document.getElementById(id);

/** An object with its pending changes. */
const changed = (object) => pending.reduce((sofar, { body }) => {
  const isOfObject = body.kind === "change" && body.object === object.label;
  return isOfObject ? { ...sofar, ...body } : sofar;
}, object);

let followed = null; // label of the row that was scrolled to
const rows = new Map(); // label -> {item, show}

/** Update the rows in place: a click or a name that is being typed needs its row to stay. */
function refreshObjects() {
  const list = $("objects");
  const labels = new Set(store.objects.map((each) => each.label));
  for (const [label, { item }] of rows) if (!labels.has(label)) { rows.delete(label); item.remove(); }
  store.objects.forEach((object, index) => {
    if (!rows.has(object.label)) rows.set(object.label, makeRow(object.label));
    const { item, show } = rows.get(object.label);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    show(changed(object));
  });
}

/** Make the row of an object, and the function that updates it. */
function makeRow(label) {
  const item = document.createElement("li");
  const now = () => changed(store.objects.find((each) => each.label === label));
  const change = (body) => edit({ kind: "change", object: label, ...body });
  const choosing = () => { if (store.active !== label) choose(label); };
  item.dataset.label = String(label);
  item.addEventListener("pointerdown", choosing);

  const colour = Object.assign(document.createElement("input"), { type: "color" });
  colour.addEventListener("change", () => change({ colour: colour.value }));

  const name = Object.assign(document.createElement("input"), { type: "text", maxLength: 80, title: `Label ${label} in masks` });
  name.setAttribute("aria-label", `Name of object ${label}`);
  name.addEventListener("focus", choosing);
  name.addEventListener("change", () => {
    if (name.value.trim()) change({ name: name.value });
  });
  name.addEventListener("blur", refreshObjects);
  name.addEventListener("keydown", (event) => {
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    if (event.key === "Escape") name.value = now().name;
    $("view").focus();
  });

  const action = (onclick) => make("button", { onclick });
  const mark = (made, look, title) => {
    if (made.dataset.icon !== look) made.replaceChildren(icon(made.dataset.icon = look));
    made.title = title;
    made.setAttribute("aria-label", title);
  };
  const more = action(() => openObject(label));
  const hide = action(() => change({ hidden: !now().hidden })), lock = action(() => change({ locked: !now().locked }));
  const remove = action(() => askRemoval(now()));
  item.append(colour, name, more, hide, lock, remove);

  const show = (object) => {
    item.classList.toggle("active", label === store.active);
    item.classList.toggle("is-hidden", object.hidden);
    item.setAttribute("aria-current", String(label === store.active));
    if (document.activeElement !== colour) colour.value = object.colour;
    colour.setAttribute("aria-label", `Colour of ${object.name}`);
    if (document.activeElement !== name) name.value = object.name;
    mark(more, "more", `Class, order and merging of ${object.name}`);
    mark(hide, object.hidden ? "eyeoff" : "eye", `Hide ${object.name}`);
    mark(lock, object.locked ? "lock" : "unlock", `Lock ${object.name}`);
    hide.setAttribute("aria-pressed", String(object.hidden));
    lock.setAttribute("aria-pressed", String(object.locked));
    mark(remove, "trash", `Remove ${object.name}`);
  };
  return { item, show };
}

/** Exchange an object's label and order with its neighbour's, and go on with it. */
async function move(label, neighbour) {
  if (!await edit({ kind: "swap", object: label, other: neighbour.label })) return;
  choose(neighbour.label);
  openObject(neighbour.label);
}

function openObject(label) {
  const dialog = $("object-dialog"), at = store.objects.findIndex((each) => each.label === label), object = store.objects[at];
  const category = make("input", { type: "text", id: "object-category", maxLength: 80 });
  Object.assign(category, { value: object.category, placeholder: object.name });
  category.setAttribute("aria-label", "Class");
  category.addEventListener("change", () => edit({ kind: "change", object: label, category: category.value.trim() }));
  const others = store.objects.filter((each) => each !== object);
  const into = make("select", { id: "object-into" }, ...others.map((each) => new Option(each.name, String(each.label))));
  into.setAttribute("aria-label", "Object to merge into");
  const merge = async () => {
    const target = Number(into.value);
    dialog.close();
    if (await edit({ kind: "merge", object: target, other: label })) choose(target);
  };
  const alone = store.objects.length < 2;
  fill(dialog, "object", object.name,
    offer("Class", "Category in YouTube-VOS and COCO exports; if empty, the name is used", category),
    offer("Order", `Label ${label} in masks and exports; Up and Down swap order and label with the neighbour`,
      button("object-up", "Up", () => move(label, store.objects[at - 1]), at === 0),
      button("object-down", "Down", () => move(label, store.objects[at + 1]), at === store.objects.length - 1)),
    offer("Merge", "All its masks become those of the other object", into, button("object-merge", "Merge", merge, alone)),
    make("div", { className: "actions" }, closing(dialog)));
}

/** Scroll to the row of an object that has just been chosen. */
function follow() {
  if (store.active === followed) return;
  followed = store.active;
  rows.get(followed)?.item.scrollIntoView({ block: "nearest" });
}

on("document active pending", () => { refreshObjects(); follow(); });
