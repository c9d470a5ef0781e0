/** Controls of the map view. */

import { byId, element, percent, setOptions } from "../dom.js";
import { format } from "./declared.js";
import { isMask, viewColour } from "./map.js";
import { formatLogit } from "./occlusion.js";

const NOTES = {
  best: () => "Colour: the class with the largest share. The smaller its share, the more transparent; none has no colour.",
  class: (label) => `Share of ${label}: how much each cell looks like it.`,
  none: () => "Share that matches no class.",
  why: (label) => `Each part in turn is covered: orange where the logit of ${label} then falls, blue where it rises.`,
};

const MASK_NOTE = "The darker a cell, the less of it the pooling keeps.";

/**
 * A view is {kind: "best"}, {kind: "class", index}, {kind: "none"}, {kind: "why", index} or {kind: "declared", name}; an
 * index is that of a class.
 */
export class Views {
  /** @param {() => void} onChange called when the view changes. */
  constructor(onChange) {
    this.onChange = onChange;
    this.select = byId("class");
    byId("views").addEventListener("change", onChange);
    this.select.addEventListener("change", onChange);
    byId("opacity").addEventListener("input", showOpacity);
    showOpacity();
  }

  get radios() {
    return [...document.querySelectorAll("[name=view]")];
  }

  get view() {
    const { value: kind, dataset } = this.radios.find((radio) => radio.checked);
    if (kind === "declared") return { kind, name: dataset.name };
    return kind === "class" || kind === "why" ? { kind, index: this.select.selectedIndex } : { kind };
  }

  /** Show a single class, or go back to the best classes if it is already shown. */
  toggle(index) {
    const { kind, index: current } = this.view;
    const shown = kind === "class" && current === index;
    this.select.selectedIndex = index;
    this.check(shown ? "best" : "class");
    this.onChange();
  }

  /** Offer the views of these maps; keep the current one if possible. The class is `best`, unless one is shown. */
  offer(model, maps, best) {
    const chosen = this.view.kind === "class" ? this.select.value : best;
    setOptions(this.select, model.classes.map((label) => [label, label]), chosen);
    if (this.select.selectedIndex < 0) this.select.value = best;
    this.offerDeclared(maps);
    const none = this.radios.find((radio) => radio.value === "none");
    none.disabled = !maps.some((map) => map.none.some((share) => share > 0));
    if (none.disabled && none.checked) this.check("best");
  }

  /** Offer the maps that the networks declare; keep the one that is shown. */
  offerDeclared(maps) {
    const { kind, name: shown } = this.view;
    for (const label of document.querySelectorAll("#views .declared")) label.remove();
    const declared = new Map(maps.flatMap((map) => [...map.declared]));
    for (const { name, title } of declared.values()) {
      const radio = element("input", { type: "radio", name: "view", value: "declared", checked: name === shown });
      radio.dataset.name = name;
      byId("views").append(element("label", { className: "declared" }, radio, element("span", {}, title)));
    }
    if (kind === "declared" && !declared.has(shown)) this.check("best");
  }

  /** Show what the colours mean, and the values of the weakest and the strongest one. */
  showScale(model, maps, range) {
    const { kind, index } = this.view;
    const colour = viewColour(this.view, model, maps);
    const scale = byId("scale");
    scale.hidden = !colour;
    scale.classList.toggle("signed", kind === "why");
    byId("class-field").hidden = index === undefined;
    byId("note").textContent = isMask(this.view, maps) ? MASK_NOTE : NOTES[kind]?.(model.classes[index]) ?? "";
    scale.style.setProperty("--colour", colour);
    const [low, high] = range.map({ declared: format, why: formatLogit }[kind] ?? percent);
    scale.querySelector(".low").textContent = low;
    scale.querySelector("output").textContent = high;
  }

  /** Select a view, without its effects. */
  check(kind) {
    this.radios.find((radio) => radio.value === kind).checked = true;
  }
}

function showOpacity() {
  const { value, nextElementSibling: output } = byId("opacity");
  output.textContent = `${value}%`;
  byId("panes").style.setProperty("--opacity", value / 100);
}
