/** Mask files and folders of them that are dropped onto the page. */

import { isOpen, openImport } from "./dialogs.js";
import { store } from "./store.js";

/** The files of a dropped file or folder. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  const some = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // not all at once
  for (let part = await some(); part.length; part = await some()) found.push(...part);
  return (await Promise.all(found.map(filesOf))).flat();
}

const isFiles = (event) => event.dataTransfer?.types.includes("Files") && store.video;

addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
addEventListener("drop", async (event) => {
  if (!isFiles(event)) return;
  event.preventDefault(); // the browser would show the file in place of the page
  if (isOpen()) return;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const given = new DataTransfer();
  for (const file of (await Promise.all(entries.map(filesOf))).flat()) given.items.add(file);
  openImport();
  document.getElementById("import-files").files = given.files;
});
