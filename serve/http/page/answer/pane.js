/** One model's map over the image, with a readout of its cells. */

import { byId, element, percent } from "../dom.js";
import { fillBars } from "./bars.js";
import { drawMap, save } from "./download.js";
import { drawPhoto } from "./photo.js";

const SHOWN_PIXELS = 2_000_000;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pane {
  /**
   * @param {{name: string, photo: ImageBitmap}} image
   * @param {Answer} answer with its semantic map.
   * @param {(point: number[] | null) => void} onPoint called with a point in the box when a cell is selected, or null.
   */
  constructor(image, answer, onPoint) {
    this.image = image;
    this.answer = answer;
    this.onPoint = onPoint;
    /** Point in the box, or null, and the grid whose cell at that point is shown. */
    this.place = null;
    this.grid = answer.map;
    this.element = byId("pane").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.element.querySelector(selector);
    this.seen = this.find(".seen");
    this.describe();
    this.draw();
    this.listen();
  }

  /** Show a view of a map of the answer. */
  paint(map, view, range) {
    this.grid = map;
    this.seen.ariaValueMax = map.length;
    const cells = this.find(".cells");
    cells.width = map.columns;
    cells.height = map.rows;
    cells.getContext("2d").putImageData(map.paint(view, range), 0, 0);
    this.point(this.place);
  }

  /** Mark the cell at a point in the box and show its values; null for no cell. */
  point(point) {
    const { grid } = this;
    this.place = point;
    this.cell = point && grid.cellAt(point);
    const mark = this.find(".cell");
    mark.hidden = !point;
    if (point) setArea(mark, grid.areaOf(this.cell));
    const { title, rows, notes, entity } = grid.describe(this.cell);
    const [heading, list, nearest, others] = this.find(".readout").children;
    heading.textContent = title;
    fillBars(list, rows);
    nearest.hidden = !grid.hasEntities;
    nearest.textContent = entity ? `nearest entity: ${entity.name}` : "\u00a0";
    others.replaceChildren(...notes.map((text) => element("li", {}, text)));
    if (point) this.seen.ariaValueNow = this.cell + 1;
    const said = [...rows.map((r) => `${r.label} ${percent(r.share)}`), ...(point ? notes : [])];
    if (entity) said.push(nearest.textContent);
    this.seen.ariaValueText = [title, said.join(", ")].filter(Boolean).join(": ");
  }

  describe() {
    const { model } = this.answer;
    const [name, source] = this.find("figcaption").children;
    name.textContent = model.name;
    source.textContent = model.patch_source;
    this.find(".photo").ariaLabel = this.image.name;
    this.seen.ariaLabel = `Cells of the ${model.patch_source} of ${model.name}`;
  }

  draw() {
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
    const { grid } = this;
    if (this.cell === null) return this.onPoint(grid.middleOf(0));
    const [x, y] = grid.middleOf(this.cell);
    this.onPoint([x + step[0] / grid.columns, y + step[1] / grid.rows]);
  }

  async download(kind) {
    const name = `${this.image.name.replace(/\.\w+$/, "")}.${this.answer.model.name}`;
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
