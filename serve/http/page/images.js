/** Image sources: file dialog, drag and drop of files and folders, clipboard and samples. */

import { getSample } from "./api.js";
import { byId } from "./dom.js";

/** Call `take` with the images that the user provides at once: files, or a promise of them. */
export function onImages(take) {
  const input = byId("file");
  input.addEventListener("change", () => {
    if (input.files.length) take([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", ({ clipboardData: { files } }) => files.length && take([...files]));
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => take(getSample(button.dataset.sample).then((file) => [file])));
  }
  onDrop(take);
}

function onDrop(take) {
  const holdsFiles = (event) => event.dataTransfer.types.includes("Files");
  const mark = (over) => document.body.classList.toggle("dropping", over);
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
  document.addEventListener("drop", (event) => {
    mark(false);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take(filesOf(event.dataTransfer));
  });
}

/** Files of a drop, and the images in its folders. */
function filesOf({ items, files }) {
  // Before anything asynchronous, after which the items are gone.
  const entries = [...items].map((item) => item.webkitGetAsEntry());
  const folders = entries.filter((entry) => entry?.isDirectory);
  if (!folders.length) return [...files];
  const single = entries.filter((entry) => entry?.isFile).map(fileOf);
  return Promise.all([...single, ...folders.map(imagesIn)]).then((found) => found.flat());
}

async function imagesIn(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (let more; (more = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) {
    entries.push(...more);
  }
  const seen = entries.filter(({ name }) => !name.startsWith("."));
  seen.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const found = await Promise.all(seen.map((entry) => (entry.isDirectory ? imagesIn(entry) : fileOf(entry))));
  return found.flat().filter(({ type }) => !type || type.startsWith("image/"));
}

/** File of an entry, named by its path within what was dropped. */
async function fileOf(entry) {
  const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
  return new File([file], entry.fullPath.slice(1), { type: file.type });
}
