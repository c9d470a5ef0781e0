/** What the page saves as files. */

import { drawPhoto } from "./photo.js";

/** Pixels that a canvas can have in every browser. */
const MOST_PIXELS = 16_000_000;

/** The map over its image as a PNG, at the image's resolution where that is neither tiny nor huge. */
export function drawMap(photo, map, cells, opacity) {
  const canvas = document.createElement("canvas");
  drawPhoto(canvas, photo, MOST_PIXELS);
  const { width, height } = canvas;
  const area = map.area.map((share, index) => Math.round(share * (index % 2 ? height : width)));
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(255 255 255 / 0.6)";
  context.rect(0, 0, width, height);
  context.rect(...area);
  context.fill("evenodd");
  context.imageSmoothingEnabled = false;
  context.globalAlpha = opacity;
  context.drawImage(cells, ...area);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Let the browser save a blob. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
