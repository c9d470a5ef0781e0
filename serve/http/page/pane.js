/** One model's map over the image, with a readout of its cells. */

import { fillBars, rowsOf } from "./bars.js";
import { byId, element, percent } from "./dom.js";
import { drawMap, save } from "./download.js";
import { drawPhoto } from "./photo.js";

const SHOWN_PIXELS = 2_000_000;
const SHOWN_CLASSES = 3;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pane {
  /**
   * @param {{file: File, photo: ImageBitmap}} image
   * @param {{model: object, map: SemanticMap, json: object}} answer
   * @param {(point: number[] | null) => void} onPoint called with a point in the box when a cell is selected, or null.
   */
  constructor(image, answer, onPoint) {
    this.image = image;
    this.answer = answer;
    this.onPoint = onPoint;
    this.element = byId("pane").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.element.querySelector(selector);
    this.seen = this.find(".seen");
    this.describe();
    this.place();
    this.listen();
    this.point(null);
  }

  /** Show a view of the map. */
  paint(view, range) {
    const { map } = this.answer;
    const cells = this.find(".cells");
    cells.width = map.columns;
    cells.height = map.rows;
    cells.getContext("2d").putImageData(map.paint(view, range), 0, 0);
  }

  /** Mark the cell at a point in the box and show its classes; null for no cell, and the average over all. */
  point(point) {
    const { map, model } = this.answer;
    this.cell = point && map.cellAt(point);
    const mark = this.find(".cell");
    mark.hidden = !point;
    if (point) setArea(mark, map.areaOf(this.cell));
    const { top, none, entity } = point ? map.patches[this.cell] : map.average();
    const rows = [...rowsOf(top.slice(0, SHOWN_CLASSES), model), { label: "none", share: none }];
    const title = point ? map.nameOf(this.cell) : "Average over all cells";
    const [heading, list, nearest] = this.find(".readout").children;
    heading.textContent = title;
    fillBars(list, rows);
    nearest.hidden = !map.hasEntities;
    nearest.textContent = entity ? `nearest entity: ${entity.name}` : "\u00a0";
    const declared = [...map.declared.values()].map((own) => `${own.title}: ${point ? own.textOf(this.cell) : "…"}`);
    this.find(".declared").replaceChildren(...declared.map((text) => element("li", {}, text)));
    if (point) this.seen.ariaValueNow = this.cell + 1;
    const said = [...rows.map((r) => `${r.label} ${percent(r.share)}`), ...(point ? declared : [])];
    if (entity) said.push(nearest.textContent);
    this.seen.ariaValueText = `${title}: ${said.join(", ")}`;
  }

  describe() {
    const { model, map } = this.answer;
    const [name, source] = this.find("figcaption").children;
    name.textContent = model.name;
    source.textContent = model.patch_source;
    this.find(".photo").ariaLabel = this.image.file.name;
    this.seen.ariaLabel = `Cells of the ${model.patch_source} of ${model.name}`;
    this.seen.ariaValueMax = map.patches.length;
  }

  place() {
    const photo = this.find(".photo");
    drawPhoto(photo, this.image.photo, SHOWN_PIXELS);
    this.find(".image").style.setProperty("--ratio", photo.width / photo.height);
    setArea(this.seen, this.answer.map.area);
  }

  listen() {
    const at = (event) => {
      const { left, top, width, height } = this.seen.getBoundingClientRect();
      this.onPoint([(event.clientX - left) / width, (event.clientY - top) / height]);
    };
    this.seen.addEventListener("pointermove", at);
    this.seen.addEventListener("pointerdown", at);
    this.seen.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.onPoint(null));
    this.seen.addEventListener("keydown", (event) => this.press(event));
    for (const button of this.element.querySelectorAll("[data-download]")) {
      button.addEventListener("click", () => this.download(button.dataset.download));
    }
  }

  /** Move between cells with the arrow keys, starting at the first one. */
  press(event) {
    if (event.key === "Escape") this.onPoint(null);
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const { map } = this.answer;
    if (this.cell === null) return this.onPoint(map.middleOf(0));
    const [x, y] = map.middleOf(this.cell);
    this.onPoint([x + step[0] / map.columns, y + step[1] / map.rows]);
  }

  async download(kind) {
    const name = `${this.image.file.name.replace(/\.\w+$/, "")}.${this.answer.model.name}`;
    if (kind === "json") {
      return save(new Blob([JSON.stringify(this.answer.json, null, 1)], { type: "application/json" }), `${name}.json`);
    }
    const opacity = Number(getComputedStyle(this.find(".cells")).opacity);
    save(await drawMap(this.image.photo, this.answer.map, this.find(".cells"), opacity), `${name}.png`);
  }
}

/** Position an element within its parent: left, top, width and height as fractions. */
function setArea(target, area) {
  ["left", "top", "width", "height"].forEach((side, index) => {
    target.style[side] = `${100 * area[index]}%`;
  });
}
