/** Drawing of images on canvases: upright, first frame only, on white, as the server decodes them. */

const LARGE = 512;

/** Decode an image file; null if the browser cannot. */
export const decode = (file) => createImageBitmap(file).catch(() => null);

/** White image of a size, in place of one that the browser cannot decode, at most `area` pixels large. */
export function blank({ width, height }, area) {
  const scale = Math.min(1, Math.sqrt(area / (width * height)));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * Draw an image onto a canvas, which gets its aspect ratio and at most `area` pixels.
 *
 * A small image is enlarged by an integer factor, so that its pixels and the map's cells stay sharp.
 */
export function drawPhoto(canvas, photo, area) {
  const { width, height } = photo;
  const enlarged = Math.max(1, Math.floor(LARGE / Math.max(width, height)));
  const scale = Math.min(enlarged, Math.sqrt(area / (width * height)));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = scale <= 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
}
