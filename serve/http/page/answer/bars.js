/** Lists of shares with bars. */

import { element, percent } from "../dom.js";

/** Fill a list with rows {label, share, colour}; rows that are not classes have no colour. */
export function fillBars(list, rows) {
  list.replaceChildren(...rows.map(bar));
}

/** Rows for the entries of `classes` or `top` in a response. */
export function rowsOf(shares, model) {
  return shares.map(({ label, probability }) => ({
    label,
    share: probability,
    colour: model.colours[model.classes.indexOf(label)],
  }));
}

function bar({ label, share, colour }) {
  const track = element("span", { className: "track" }, element("span", { className: "fill" }));
  track.ariaHidden = "true";
  track.style.setProperty("--share", share);
  if (colour) track.style.setProperty("--colour", colour);
  const name = element("span", { className: "label", title: label }, label);
  return element("li", {}, name, track, element("span", { className: "share" }, percent(share)));
}
