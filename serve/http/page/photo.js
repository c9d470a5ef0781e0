/** Images on canvases: upright, an animation's first frame, over white as the server lays them. */

const LARGE = 512;

/** Decode a file as the browser can; null for what it cannot read. */
export const decode = (file) => createImageBitmap(file).catch(() => null);

/**
 * Draw an image onto a canvas, which takes its shape and has at most `area` pixels.
 *
 * A small image is enlarged by a whole number, so that its pixels and a map's cells stay sharp.
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
