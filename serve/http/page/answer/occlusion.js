/** Occlusion maps: how far the logit of a class falls when each part of the image is covered. */

import { channels, Grid } from "./grid.js";

/** Colours of parts that support the class and that oppose it, as in `zoo explain`. */
export const FOR = "#e76300";
export const AGAINST = "#3f90da";

const numbers = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** Format a logit with 2 decimals. */
export const formatLogit = (value) => numbers.format(value);

/** Response of /occlusion for one image. */
export class OcclusionMap extends Grid {
  constructor({ grid, label, logit, drops }) {
    super(grid);
    this.label = label;
    this.logit = logit;
    this.drops = drops.flat();
  }

  paint(view, [, high]) {
    const colours = [channels(AGAINST), channels(FOR)];
    const strengths = this.drops.map((drop) => Math.abs(drop) / high);
    return this.draw(strengths, (cell) => colours[Number(this.drops[cell] > 0)]);
  }

  /** What a cell shows; null for no cell. */
  describe(cell) {
    if (cell === null) return { title: `Logit of ${this.label}: ${formatLogit(this.logit)}`, rows: [], notes: [] };
    const drop = this.drops[cell];
    const change = `${drop < 0 ? "rises" : "falls"} by ${formatLogit(Math.abs(drop))}`;
    return { title: this.nameOf(cell), rows: [], notes: [`Covered, the logit of ${this.label} ${change}`] };
  }
}
