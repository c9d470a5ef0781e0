/** Images of the server's index that are like an image, with their thumbnails. */

import { byId, element } from "../dom.js";

/** Images that are shown. */
export const SHOWN = 12;

/** Show the images nearest to that of an answer, or nothing if its model has no index. */
export function showNearest(answer) {
  byId("nearest").hidden = !answer?.nearest?.length;
  byId("near").replaceChildren(...(answer?.nearest ?? []).map(itemOf));
}

function itemOf({ name, label, cosine, thumbnail }) {
  const image = element("img", { src: thumbnail, alt: "" });
  const near = element("span", { className: "cosine", title: "Cosine of the embeddings" }, cosine.toFixed(3));
  // Paths often begin alike, and the end of a long one would not be seen.
  const caption = element("span", { className: "name" }, label ?? name.slice(name.lastIndexOf("/") + 1));
  return element("li", { title: name }, image, caption, near);
}
