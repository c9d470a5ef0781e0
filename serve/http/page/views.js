/** Controls of the map view. */

import { format } from "./declared.js";
import { byId, element, percent, setOptions } from "./dom.js";
import { viewColour } from "./map.js";

/** A view is {kind: "best"}, {kind: "class", index}, {kind: "none"} or {kind: "declared", name}. */
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
    return kind === "class" ? { kind, index: this.select.selectedIndex } : { kind };
  }

  /** Show a single class, or go back to the best classes if it is already shown. */
  toggle(index) {
    const shown = this.view.index === index;
    this.select.selectedIndex = index;
    this.check(shown ? "best" : "class");
    this.onChange();
  }

  /** Offer the views of these maps; keep the current one if possible, else select the class `best`. */
  offer(model, maps, best) {
    const chosen = this.select.value;
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

  /** Show the values of the weakest and the strongest colour. */
  showScale(model, maps, range) {
    const colour = viewColour(this.view, model, maps);
    const scale = byId("scale");
    scale.hidden = !colour;
    byId("class-field").hidden = this.view.kind !== "class";
    scale.style.setProperty("--colour", colour);
    const [low, high] = range.map(this.view.kind === "declared" ? format : percent);
    scale.querySelector(".low").textContent = low;
    scale.querySelector("output").textContent = high;
  }

  check(kind) {
    this.radios.find((radio) => radio.value === kind).checked = true;
  }
}

function showOpacity() {
  const { value, nextElementSibling: output } = byId("opacity");
  output.textContent = `${value}%`;
  byId("panes").style.setProperty("--opacity", value / 100);
}
