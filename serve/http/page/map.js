/** Semantic maps: the server's results for each cell, and their colours. */

import { DeclaredMap, SCALAR_COLOUR } from "./declared.js";

const NONE_COLOUR = "#20242b";

/** Classes requested per cell; each of the others has a share below 1%. */
export const MAX_CLASSES = 100;

/** Response of /patch-semantics for one image; cells are indexed row by row. */
export class SemanticMap {
  /**
   * @param {object} result entry of `results` in the response.
   * @param {{classes: string[], colours: string[]}} model entry of `/models`.
   */
  constructor(result, model) {
    this.rows = result.grid.rows;
    this.columns = result.grid.columns;
    const { width, height } = result.image;
    const [left, top, right, bottom] = result.box;
    /** Area that the grid covers: left, top, width and height, as fractions of the image's sides. */
    this.area = [left / width, top / height, (right - left) / width, (bottom - top) / height];
    this.patches = result.patches.flat();
    this.none = this.patches.map((patch) => patch.none);
    /** Whether the response has the nearest entity of each cell. */
    this.hasEntities = this.patches.some((patch) => patch.entity);
    this.classes = model.classes;
    this.colours = model.colours.map(channels);
    const index = new Map(model.classes.map((label, index) => [label, index]));
    this.best = this.patches.map((patch) => index.get(patch.label));
    this.shares = model.classes.map(() => new Float32Array(this.patches.length));
    /** Other maps that the network declares, by name. */
    this.declared = new Map((result.maps ?? []).map((map) => [map.name, new DeclaredMap(map)]));
    this.patches.forEach((patch, cell) => {
      for (const { label, probability } of patch.top) this.shares[index.get(label)][cell] = probability;
    });
  }

  /** The cell at a point in the box, [x, y] from 0 to 1; the nearest one for a point outside. */
  cellAt([x, y]) {
    const index = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
    return index(y, this.rows) * this.columns + index(x, this.columns);
  }

  /** Centre of a cell. */
  middleOf(cell) {
    return [((cell % this.columns) + 0.5) / this.columns, (Math.floor(cell / this.columns) + 0.5) / this.rows];
  }

  /** Area of a cell, as fractions of the grid's sides. */
  areaOf(cell) {
    const [x, y] = this.middleOf(cell);
    return [x - 0.5 / this.columns, y - 0.5 / this.rows, 1 / this.columns, 1 / this.rows];
  }

  /** Display name of a cell. */
  nameOf(cell) {
    return `Row ${Math.floor(cell / this.columns) + 1}, column ${(cell % this.columns) + 1}`;
  }

  /** Mean shares over all cells: the classes, in descending order, and `none`. */
  average() {
    const top = this.classes.map((label, index) => ({ label, probability: this.mean({ kind: "class", index }) }));
    top.sort((a, b) => b.probability - a.probability);
    return { top, none: this.mean({ kind: "none" }) };
  }

  /** Values shown by a view, one per cell; empty if the network does not declare such a map. */
  values(view) {
    if (view.kind === "declared") {
      const map = this.declared.get(view.name);
      return map ? map.numbers ?? map.indices.map(() => 1) : [];
    }
    if (view.kind === "none") return this.none;
    if (view.kind === "class") return this.shares[view.index];
    return this.patches.map((patch) => patch.probability);
  }

  /** Classes that are the best class of some cell. */
  present() {
    return [...new Set(this.best)];
  }

  /** Mean over all cells of the values shown by a view. */
  mean(view) {
    return this.values(view).reduce((sum, value) => sum + value, 0) / this.patches.length;
  }

  /**
   * The map as an image with one pixel per cell: the colour encodes the class, the opacity the value.
   *
   * @param {number[]} range values drawn as transparent and as opaque.
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

/** Colour of a view; null if it has several. */
export function viewColour(view, model, maps) {
  if (view.kind === "best") return null;
  if (view.kind === "none") return NONE_COLOUR;
  if (view.kind === "class") return model.colours[view.index];
  return maps.some((map) => map.declared.get(view.name)?.indices) ? null : SCALAR_COLOUR;
}

/**
 * Values that a view draws as transparent and as opaque: 0 and 1 for the best class and for names, the minimum and
 * maximum over all maps for declared numbers, else 0 and the maximum.
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
