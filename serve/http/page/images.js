/** Image sources: file dialog, drag and drop, clipboard and samples. */

import { getSample } from "./api.js";
import { byId } from "./dom.js";

/** Call `take` with each image that the user provides: a file, or a promise of one. */
export function onImage(take) {
  const takeFirst = (files) => files.length && take(files[0]);

  const input = byId("file");
  input.addEventListener("change", () => {
    takeFirst([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => takeFirst(event.clipboardData.files));
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => take(getSample(button.dataset.sample)));
  }
  onDrop(takeFirst);
}

function onDrop(takeFirst) {
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
    takeFirst(event.dataTransfer.files);
  });
}
