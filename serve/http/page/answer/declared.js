/** Maps that a network declares besides its semantic map; their cells have a number, a name or both. */

/** Colour of scalar maps, which have no classes. */
const SCALAR_COLOUR = "#7a1fa2";

/** Colour of what a scalar map leaves out. */
const LEFT_OUT_COLOUR = "#0b0d12";

/** Scalar maps of shares that are kept: what they leave out is covered. */
const MASKS = new Set(["kept_mass"]);

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Format a number with 3 significant digits; null stands for a number that is not finite. */
export const format = (number) => (number === null ? "none" : numbers.format(number));

/** One entry of `maps` in a response of /patch-semantics; cells are indexed row by row. */
export class DeclaredMap {
  constructor({ name, kind, title, legend, colours, values }) {
    this.name = name;
    this.kind = kind;
    this.title = title;
    this.legend = legend;
    this.colours = colours;
    /** Whether small values are covered instead of large ones coloured. */
    this.isMask = MASKS.has(name);
    /** Colour of all cells without a name. */
    this.colour = this.isMask ? LEFT_OUT_COLOUR : SCALAR_COLOUR;
    /** Index of each cell's name; null if cells only have numbers. */
    this.indices = null;
    /** Number of each cell; null if cells only have names. */
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

  /** Colour of a cell, as #rrggbb. */
  colourOf(cell) {
    return (this.indices && this.colours[this.indices[cell]]) ?? this.colour;
  }

  /** Text for all cells: the mean of a scalar map; others have none. */
  summary() {
    if (this.kind !== "scalar map" || this.numbers.includes(null)) return "…";
    return format(this.numbers.reduce((sum, number) => sum + number, 0) / this.numbers.length);
  }

  /** Text of a cell: its name, its number, or both. */
  textOf(cell) {
    const parts = [];
    if (this.indices) parts.push(this.legend[this.indices[cell]] ?? String(this.indices[cell]));
    if (this.numbers) parts.push(format(this.numbers[cell]));
    return parts.join(" ");
  }
}
