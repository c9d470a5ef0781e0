/** The answer for the whole image: the most probable class in large type, above the others. */

import { element, formatTime, percent } from "../dom.js";
import { fillBars, rowsOf } from "./bars.js";

/** Section of one model's answer. */
export function headline(name, { model, best, classes, milliseconds }) {
  const [{ colour }] = rowsOf([best], model);
  const swatch = element("span", { className: "swatch" });
  swatch.style.setProperty("--colour", colour);
  const title = element("h2", {}, swatch, element("span", {}, best.label), " ");
  title.append(element("span", { className: "share" }, percent(best.probability)));
  const list = element("ol", { className: "bars" });
  list.ariaLabel = `Classes by ${model.name}`;
  fillBars(list, rowsOf(classes, model));
  const source = element("p", {}, `${name}, ${model.name}, ${formatTime(milliseconds)}`);
  return element("section", {}, element("div", {}, title, source), list);
}
