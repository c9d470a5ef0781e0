/** Semantic maps: the server's results for each cell, and their colours. */

import { rowsOf } from "./bars.js";
import { DeclaredMap } from "./declared.js";
import { channels, Grid } from "./grid.js";
import { FOR } from "./occlusion.js";

const NONE_COLOUR = "#20242b";
const SHOWN_CLASSES = 3;

/** Classes requested per cell; each of the others has a share below 1%. */
export const MAX_CLASSES = 100;

/** Response of /patch-semantics for one image. */
export class SemanticMap extends Grid {
  /**
   * @param {object} result entry of `results` in the response.
   * @param {{classes: string[], colours: string[]}} model entry of `/models`.
   */
  constructor(result, model) {
    super(result.grid);
    this.model = model;
    const { width, height } = result.image;
    const [left, top, right, bottom] = result.box;
    /** Area that the grid covers: left, top, width and height, as fractions of the image's sides. */
    this.area = [left / width, top / height, (right - left) / width, (bottom - top) / height];
    this.patches = result.patches.flat();
    this.none = this.patches.map((patch) => patch.none);
    /** Whether the response has the nearest entity of each cell. */
    this.hasEntities = this.patches.some((patch) => patch.entity);
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

  /** Mean shares over all cells: the classes, in descending order, and `none`. */
  average() {
    const top = this.model.classes.map((label, index) => ({ label, probability: this.mean({ kind: "class", index }) }));
    top.sort((a, b) => b.probability - a.probability);
    return { top, none: this.mean({ kind: "none" }) };
  }

  /** What a cell shows; null for no cell, and the average over all. */
  describe(cell) {
    const { top, none, entity } = cell === null ? this.average() : this.patches[cell];
    const rows = [...rowsOf(top.slice(0, SHOWN_CLASSES), this.model), { label: "none", share: none }];
    const notes = [...this.declared.values()].map((own) => `${own.title}: ${cell === null ? own.summary() : own.textOf(cell)}`);
    return { title: cell === null ? "Average over all cells" : this.nameOf(cell), rows, notes, entity };
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
   * The map as an image: the colour encodes the class, the opacity the value.
   *
   * @param {number[]} range values drawn as transparent and as opaque.
   */
  paint(view, [low, high]) {
    const opacities = Array.from(this.values(view), (value) => (value === null ? 0 : (value - low) / (high - low)));
    return this.draw(opacities, (cell) => this.colourOf(view, cell));
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
  if (view.kind === "why") return FOR;
  if (view.kind === "none") return NONE_COLOUR;
  if (view.kind === "class") return model.colours[view.index];
  const declared = maps.map((map) => map.declared.get(view.name)).filter(Boolean);
  return declared.some((map) => map.indices) ? null : declared[0]?.colour ?? null;
}

/** Whether a view covers small values instead of colouring large ones. Occlusion maps declare nothing. */
export function isMask(view, maps) {
  return view.kind === "declared" && maps.some((map) => map.declared.get(view.name)?.isMask);
}

/**
 * Values at the ends of a view's scale. The first is drawn as transparent: 0 for the best class and for names, the
 * minimum over all maps for declared numbers, else 0. That of occlusion maps is as far from 0 as the last one. A map of
 * what is kept is transparent at its maximum and opaque at 0, so that equal weights leave the image as it is.
 */
export function rangeOf(view, maps) {
  if (view.kind === "best") return [0, 1];
  if (view.kind === "why") {
    const most = Math.max(...maps.flatMap(({ drops }) => drops.map(Math.abs)), 1e-6);
    return [-most, most];
  }
  const values = maps.flatMap((map) => [...map.values(view)]).filter((value) => value !== null);
  const named = view.kind === "declared" && maps.every((map) => !map.declared.get(view.name)?.numbers);
  const low = view.kind === "declared" && !named ? Math.min(...values) : 0;
  const high = Math.max(...values);
  if (isMask(view, maps)) return [Math.max(high, 1e-6), 0];
  return [low, high > low ? high : low + 1e-6];
}
