/** Legend: the classes in the maps, with their colours and mean shares. */

import { byId, element, percent } from "../dom.js";

const MAX_ROWS = 12;

/**
 * Fill the legend.
 *
 * @param {{model: object, map: SemanticMap}[]} answers one or two, with the same classes.
 * @param {(index: number) => void} onClass called when a class is clicked.
 */
export function fillLegend(answers, onClass) {
  const [{ model, map }] = answers;
  const view = (index) => ({ kind: "class", index });
  const present = [...new Set(answers.flatMap((answer) => answer.map.present()))];
  present.sort((a, b) => map.mean(view(b)) - map.mean(view(a)));
  const rows = present.slice(0, MAX_ROWS).map((index) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.setProperty("--colour", model.colours[index]);
    const button = element("button", { type: "button", onclick: () => onClass(index) }, swatch, model.classes[index]);
    button.dataset.index = index;
    return row(button, answers, view(index));
  });
  const others = present.length - rows.length;
  if (others > 0) rows.push(element("tr", {}, element("th", { scope: "row" }, `and ${others} more`)));
  rows.push(row("none", answers, { kind: "none" }));
  byId("legend").replaceChildren(...(answers.length > 1 ? [head(answers)] : []), element("tbody", {}, ...rows));
}

/** Mark the class that is shown; undefined for none. */
export function markLegend(shown) {
  for (const button of byId("legend").querySelectorAll("button")) {
    button.ariaPressed = String(Number(button.dataset.index) === shown);
  }
}

function head(answers) {
  const names = answers.map(({ model }) => element("th", { scope: "col" }, ...breakable(model.name)));
  return element("thead", {}, element("tr", {}, element("td"), ...names));
}

/** A name with line break opportunities after each dot. */
function breakable(name) {
  return name.split(/(?<=\.)/).flatMap((part) => [element("wbr"), part]);
}

function row(name, answers, view) {
  const shares = answers.map(({ map }) => element("td", {}, percent(map.mean(view))));
  return element("tr", {}, element("th", { scope: "row" }, name), ...shares);
}
