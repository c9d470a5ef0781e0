/** A semantic map: what the server says of each cell, and its colours. */

import { DeclaredMap, SCALAR_COLOUR } from "./declared.js";

const NONE_COLOUR = "#20242b";

/** More classes a cell are not asked for: each of those that are left out has a share below 1%. */
export const MOST_CLASSES = 100;

/** One image's answer of /patch-semantics; cells are counted row by row. */
export class SemanticMap {
  /**
   * @param {object} result of the answer.
   * @param {{classes: string[], colours: string[]}} model that answered.
   */
  constructor(result, model) {
    this.rows = result.grid.rows;
    this.columns = result.grid.columns;
    const { width, height } = result.image;
    const [left, top, right, bottom] = result.box;
    /** What the grid covers: left, top, width and height, as shares of the image's sides. */
    this.area = [left / width, top / height, (right - left) / width, (bottom - top) / height];
    this.patches = result.patches.flat();
    this.none = this.patches.map((patch) => patch.none);
    /** Whether the server names the nearest entity of each cell. */
    this.hasEntities = this.patches.some((patch) => patch.entity);
    this.classes = model.classes;
    this.colours = model.colours.map(channels);
    const index = new Map(model.classes.map((label, index) => [label, index]));
    this.best = this.patches.map((patch) => index.get(patch.label));
    this.shares = model.classes.map(() => new Float32Array(this.patches.length));
    /** The other maps that the network declares, by name. */
    this.declared = new Map((result.maps ?? []).map((map) => [map.name, new DeclaredMap(map)]));
    this.patches.forEach((patch, cell) => {
      for (const { label, probability } of patch.top) this.shares[index.get(label)][cell] = probability;
    });
  }

  /** The cell at a point of the box, [x, y] from 0 to 1; the nearest one to a point outside. */
  cellAt([x, y]) {
    const index = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
    return index(y, this.rows) * this.columns + index(x, this.columns);
  }

  /** The point in the middle of a cell. */
  middleOf(cell) {
    return [((cell % this.columns) + 0.5) / this.columns, (Math.floor(cell / this.columns) + 0.5) / this.rows];
  }

  /** A cell's area, as shares of the grid's. */
  areaOf(cell) {
    const [x, y] = this.middleOf(cell);
    return [x - 0.5 / this.columns, y - 0.5 / this.rows, 1 / this.columns, 1 / this.rows];
  }

  /** What people call a cell. */
  nameOf(cell) {
    return `Row ${Math.floor(cell / this.columns) + 1}, column ${(cell % this.columns) + 1}`;
  }

  /** All cells as if they were one: its classes, best first, and `none`. */
  average() {
    const top = this.classes.map((label, index) => ({ label, probability: this.mean({ kind: "class", index }) }));
    top.sort((a, b) => b.probability - a.probability);
    return { top, none: this.mean({ kind: "none" }) };
  }

  /** The values that a view shows, one for each cell; none where the network declares no such map. */
  values(view) {
    if (view.kind === "declared") {
      const map = this.declared.get(view.name);
      return map ? map.numbers ?? map.indices.map(() => 1) : [];
    }
    if (view.kind === "none") return this.none;
    if (view.kind === "class") return this.shares[view.index];
    return this.patches.map((patch) => patch.probability);
  }

  /** The classes that are the best of some cell. */
  present() {
    return [...new Set(this.best)];
  }

  /** The mean over the cells of what a view shows. */
  mean(view) {
    return this.values(view).reduce((sum, value) => sum + value, 0) / this.patches.length;
  }

  /**
   * The map as an image, a pixel a cell: the colour says which class, the opacity how much.
   *
   * @param {number[]} range the values that are transparent and opaque.
   */
  paint(view, [low, high]) {
    const image = new ImageData(this.columns, this.rows);
    this.values(view).forEach((value, cell) => {
      const opacity = value === null ? 0 : (value - low) / (high - low);
      image.data.set([...this.colourOf(view, cell), Math.round(255 * opacity)], 4 * cell);
    });
    return image;
  }

  /** Red, green and blue of a cell in a view. */
  colourOf(view, cell) {
    if (view.kind === "none") return channels(NONE_COLOUR);
    if (view.kind === "declared") return channels(this.declared.get(view.name).colourOf(cell));
    return this.colours[view.index ?? this.best[cell]];
  }
}

/** The colour of what a view shows, or null where it shows several. */
export function viewColour(view, model, maps) {
  if (view.kind === "best") return null;
  if (view.kind === "none") return NONE_COLOUR;
  if (view.kind === "class") return model.colours[view.index];
  return maps.some((map) => map.declared.get(view.name)?.indices) ? null : SCALAR_COLOUR;
}

/**
 * The values that are transparent and opaque in a view: 0 and 1 for shares of the best class and for names, the least
 * and the largest of all maps for numbers that a network declares, else 0 and the largest.
 */
export function rangeOf(view, maps) {
  if (view.kind === "best") return [0, 1];
  const values = maps.flatMap((map) => [...map.values(view)]).filter((value) => value !== null);
  const named = view.kind === "declared" && maps.every((map) => !map.declared.get(view.name)?.numbers);
  const low = view.kind === "declared" && !named ? Math.min(...values) : 0;
  const high = Math.max(...values);
  return [low, high > low ? high : low + 1e-6];
}

function channels(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}
