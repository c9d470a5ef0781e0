/** Geometry of maps, whose cells are indexed row by row. */

export class Grid {
  constructor({ rows, columns }) {
    this.rows = rows;
    this.columns = columns;
  }

  get length() {
    return this.rows * this.columns;
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

  /**
   * The cells as an image with one pixel each.
   *
   * @param {number[]} opacities of the cells, from 0 to 1.
   * @param {(cell: number) => number[]} colourOf red, green and blue of a cell.
   */
  draw(opacities, colourOf) {
    const image = new ImageData(this.columns, this.rows);
    opacities.forEach((opacity, cell) => image.data.set([...colourOf(cell), Math.round(255 * opacity)], 4 * cell));
    return image;
  }
}

/** Red, green and blue of a colour, #rrggbb. */
export function channels(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}
