/** Downloads of maps and responses. */

import { drawPhoto } from "./photo.js";

/** Canvas size that every browser supports, in pixels. */
const MAX_PIXELS = 16_000_000;

/** Draw the map over its image as a PNG, at the image's resolution unless that is tiny or huge. */
export function drawMap(photo, map, cells, opacity) {
  const canvas = document.createElement("canvas");
  drawPhoto(canvas, photo, MAX_PIXELS);
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

/** Save a blob as a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
