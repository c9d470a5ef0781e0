/** The controls that choose what the maps show. */

import { byId, percent, setOptions } from "./dom.js";
import { viewColour } from "./map.js";

/** A view is {kind: "best"}, {kind: "class", index} or {kind: "none"}. */
export class Views {
  /** @param {() => void} onChange the view is another one. */
  constructor(onChange) {
    this.onChange = onChange;
    this.radios = [...document.querySelectorAll("[name=view]")];
    this.select = byId("class");
    byId("views").addEventListener("change", onChange);
    this.select.addEventListener("change", onChange);
    byId("opacity").addEventListener("input", showOpacity);
    showOpacity();
  }

  get view() {
    const kind = this.radios.find((radio) => radio.checked).value;
    return kind === "class" ? { kind, index: this.select.selectedIndex } : { kind };
  }

  /** Show one class, or the best ones if it is that class that is shown. */
  toggle(index) {
    const shown = this.view.index === index;
    this.select.selectedIndex = index;
    this.check(shown ? "best" : "class");
    this.onChange();
  }

  /** Offer what these maps have; the view stays where it can, and a class that is new is the best of `best`. */
  offer(model, maps, best) {
    const chosen = this.select.value;
    setOptions(this.select, model.classes.map((label) => [label, label]), chosen);
    if (this.select.selectedIndex < 0) this.select.value = best;
    const none = this.radios.find((radio) => radio.value === "none");
    none.disabled = !maps.some((map) => map.none.some((share) => share > 0));
    if (none.disabled && none.checked) this.check("best");
  }

  /** Say what the strongest colour stands for. */
  showScale(model, full) {
    const colour = viewColour(this.view, model);
    const scale = byId("scale");
    scale.hidden = !colour;
    byId("class-field").hidden = this.view.kind !== "class";
    scale.style.setProperty("--colour", colour);
    scale.querySelector("output").textContent = percent(full);
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
