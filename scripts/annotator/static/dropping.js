/** Mask files that are dropped onto the page. */

import { isOpen, openImport } from "./dialogs.js";
import { store } from "./store.js";

const file = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** The files of a folder. */
async function filesIn(folder) {
  const reader = folder.createReader(), found = [];
  for (;;) { // it gives some at a time
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    found.push(...await Promise.all(entries.filter((each) => each.isFile).map(file)));
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = await Promise.all(entries.map(async (entry) => (entry.isDirectory ? filesIn(entry) : entry.isFile ? file(entry) : entry)));
  return found.flat();
}

const isFiles = (event) => event.dataTransfer?.types.includes("Files") && store.video;

addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
addEventListener("drop", async (event) => {
  if (!isFiles(event)) return;
  event.preventDefault(); // the browser would show the file in place of the page
  if (isOpen()) return;
  const given = new DataTransfer();
  for (const each of await dropped(event.dataTransfer)) given.items.add(each);
  openImport();
  document.getElementById("import-files").files = given.files;
});
