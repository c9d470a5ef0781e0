/** Maps that a network declares beside its semantic map, each by its kind: a number, a name or both for each cell. */

/** Of scalar maps, which have no classes to take a colour from. */
export const SCALAR_COLOUR = "#7a1fa2";

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A number for people: 3 significant digits; null stands for what is not finite. */
export const format = (number) => (number === null ? "none" : numbers.format(number));

/** One entry of `maps` in an answer of /patch-semantics; cells are counted row by row. */
export class DeclaredMap {
  constructor({ name, kind, title, legend, colours, values }) {
    this.name = name;
    this.kind = kind;
    this.title = title;
    this.legend = legend;
    this.colours = colours;
    /** The index of each cell's name, or null where cells have numbers only. */
    this.indices = null;
    /** The number of each cell, or null where cells have names only. */
    this.numbers = null;
    if (kind === "scalar map") this.numbers = values.flat();
    else if (kind === "index map") this.indices = values.flat();
    else this.takeLargest(values.map((grid) => grid.flat()));
  }

  takeLargest(grids) {
    const cells = grids[0].map((_, cell) => cell);
    this.indices = cells.map((cell) => grids.reduce((best, grid, index) => (grid[cell] > grids[best][cell] ? index : best), 0));
    this.numbers = cells.map((cell) => grids[this.indices[cell]][cell]);
  }

  /** The colour of a cell, as #rrggbb. */
  colourOf(cell) {
    return (this.indices && this.colours[this.indices[cell]]) ?? SCALAR_COLOUR;
  }

  /** What a cell has: its name, its number, or both. */
  textOf(cell) {
    const parts = [];
    if (this.indices) parts.push(this.legend[this.indices[cell]] ?? String(this.indices[cell]));
    if (this.numbers) parts.push(format(this.numbers[cell]));
    return parts.join(" ");
  }
}
