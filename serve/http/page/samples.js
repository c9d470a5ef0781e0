/** Sample images, of which those are offered whose classes a model knows. */

import { byId } from "./dom.js";

const MAX_NAMES = 8;

/** Offer the samples that suit a model, and say which classes it knows. */
export function offerSamples(model) {
  const known = new Set(model.classes.map((label) => label.toLowerCase()));
  const buttons = [...document.querySelectorAll("[data-sample]")];
  for (const button of buttons) {
    button.parentElement.hidden = !button.dataset.classes.split(" ").every((label) => known.has(label));
  }
  byId("samples").hidden = buttons.every((button) => button.parentElement.hidden);
  byId("known").textContent = `The model knows ${classesOf(model)}.`;
}

function classesOf({ classes }) {
  const names = classes.length > MAX_NAMES + 2 ? classes.slice(0, MAX_NAMES) : classes;
  const others = classes.length - names.length;
  return `${classes.length} classes: ${names.join(", ")}${others ? ` and ${others} more` : ""}`;
}
