/** Table of several images with their answers, also as a CSV file. */

import { save } from "./answer/download.js";
import { byId, element, formatTime, percent } from "./dom.js";

const THUMBNAIL = 48;
/** The first ones as `zoo classify --csv` names them. */
const COLUMNS = ["file", "label", "probability", "model", "milliseconds", "error"];

export class Table {
  /** @param {(image: object) => void} onSelect called with an image that is chosen. */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.images = [];
    this.section = byId("images");
    this.table = byId("table");
    byId("csv").addEventListener("click", () => save(new Blob([csvOf(this.images)], { type: "text/csv" }), "answers.csv"));
  }

  /** Show images that have no answers yet, unless there is only one. */
  offer(images, models) {
    this.images = images;
    this.section.hidden = images.length < 2;
    this.table.classList.toggle("one-model", models.length === 1);
    this.rows = new Map(images.map((image) => [image, element("tbody")]));
    for (const body of [...this.table.tBodies]) body.remove();
    this.table.append(...this.rows.values());
    for (const image of images) this.update(image);
  }

  /** Show the answers of an image, or why there are none. */
  update(image) {
    this.rows.get(image).replaceChildren(...this.rowsOf(image));
    const done = this.images.filter(({ answers, error }) => answers || error);
    const failed = done.filter(({ error }) => error).length;
    byId("images-title").textContent = `${this.images.length} images${failed ? `, ${failed} failed` : ""}`;
    const progress = byId("progress");
    progress.max = this.images.length;
    progress.value = done.length;
    progress.hidden = done.length === this.images.length;
  }

  /** Mark the image whose answer is shown below. */
  mark(shown) {
    for (const [image, body] of this.rows) {
      body.classList.toggle("shown", image === shown);
      const button = body.querySelector("button");
      if (button) button.ariaCurrent = String(image === shown);
    }
  }

  rowsOf(image) {
    const { name, answers, error } = image;
    const face = element(answers ? "button" : "div", { className: "face", type: "button" });
    face.append(image.thumbnail ?? element("span", { className: "thumbnail" }), element("span", {}, name));
    if (answers) face.onclick = () => this.onSelect(image);
    const head = element("th", { scope: "row", rowSpan: answers?.length ?? 1 }, face);
    if (!answers) {
      const message = error ? error.message.replace(`${name}: `, "") : "…";
      return [element("tr", {}, head, element("td", { colSpan: 4, className: error ? "failed" : "" }, message))];
    }
    return answers.map(({ model, best, milliseconds: time }, index) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.setProperty("--colour", model.colours[model.classes.indexOf(best.label)]);
      const cells = [
        element("td", {}, element("span", { className: "named" }, swatch, best.label), element("small", {}, model.name)),
        element("td", { className: "number" }, percent(best.probability)),
        element("td", { className: "model" }, model.name),
        element("td", { className: "number time" }, formatTime(time)),
      ];
      return element("tr", {}, ...(index ? [] : [head]), ...cells);
    });
  }
}

/** Small square copy of a decoded image. */
export function thumbnailOf(photo) {
  const canvas = element("canvas", { className: "thumbnail", width: 2 * THUMBNAIL, height: 2 * THUMBNAIL });
  canvas.ariaHidden = "true";
  const side = Math.min(photo.width, photo.height);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = side > THUMBNAIL;
  context.drawImage(photo, (photo.width - side) / 2, (photo.height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** One line per image and model (RFC 4180). */
function csvOf(images) {
  const lines = images.flatMap(({ name, answers, error }) =>
    answers
      ? answers.map(({ model, best, milliseconds: time }) => [name, best.label, best.probability, model.name, time.toFixed(3), ""])
      : [[name, "", "", "", "", error?.message ?? "no answer yet"]],
  );
  return [COLUMNS, ...lines].map((line) => `${line.map(quote).join(",")}\r\n`).join("");
}

const quote = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
