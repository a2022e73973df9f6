/** The original beside a picture, and the error of the picture. */
class Comparison {
  static SIDE = 512;
  static MOST_PIXELS = 2 ** 24;

  constructor(name, blob) {
    this.name = name;
    this.blob = blob;
    this.key = null;
  }

  /**
   * Read the original as a renderer of such a kind draws a picture: by what its samples mean where that is Display P3,
   * which is drawn on the CPU as sRGB, and as they are where it is not known.
   */
  async read(picture, kind) {
    const isP3 = picture?.colorSpace === 2;
    this.image?.close();
    this.image = await createImageBitmap(this.blob, { colorSpaceConversion: isP3 ? "default" : "none" });
    this.space = isP3 && kind === "webgl2" ? "display-p3" : "srgb";
    this.key = null;
  }

  fits({ width, height }) {
    return this.image !== undefined && this.image.width === width && this.image.height === height;
  }

  /** Draw the original on a canvas, as a camera shows it. */
  draw(canvas, camera) {
    const context = canvas.getContext("2d", { colorSpace: this.space });
    context.reset();
    context.imageSmoothingEnabled = camera.zoom < 1;
    context.imageSmoothingQuality = "high";
    context.setTransform(camera.zoom, 0, 0, camera.zoom, -camera.x * camera.zoom, -camera.y * camera.zoom);
    context.drawImage(this.image, 0, 0);
  }

  /**
   * The PSNR in dB of the `count` strongest Gaussians of a picture in a part of the canvas, by samples of 8 bits; that
   * of the mean error on black and on white where something is translucent. Null in very large pictures.
   */
  psnr(picture, count, [left, top, right, bottom]) {
    const { width, height } = picture;
    if (width * height > Comparison.MOST_PIXELS || left >= right || top >= bottom) return null;
    const key = `${picture.key} ${count}`;
    if (this.key !== key) this.measure(picture, count);
    this.key = key;
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let i = y * width + left; i < y * width + right; i++) sum += this.errors[i];
    }
    return -10 * Math.log10(sum / (6 * 255 ** 2 * (right - left) * (bottom - top)));
  }

  /** Fill in `errors`: of each pixel the sum of the squares of three channels, on black and on white. */
  measure(picture, count) {
    const { width, height } = picture;
    const side = Comparison.SIDE;
    this.renderer ??= new gsiRender.Renderer(new OffscreenCanvas(side, side));
    this.renderer.setPicture(picture);
    this.errors = new Uint32Array(width * height);
    const canvases = [0, 1].map(() => new OffscreenCanvas(side, side));
    const options = { colorSpace: this.space, willReadFrequently: true };
    const contexts = canvases.map((canvas) => canvas.getContext("2d", options));
    for (let y = 0; y < height; y += side) {
      for (let x = 0; x < width; x += side) {
        this.renderer.draw({ x, y, zoom: 1, count });
        for (const ground of ["#000", "#fff"]) {
          const [one, other] = [this.renderer.canvas, this.image].map((image, k) => {
            contexts[k].fillStyle = ground;
            contexts[k].fillRect(0, 0, side, side);
            contexts[k].drawImage(image, k * -x, k * -y);
            return contexts[k].getImageData(0, 0, side, side).data;
          });
          this.add(one, other, x, y, width, height);
        }
      }
    }
  }

  /** Add the errors of a square of the picture whose top-left corner is at x, y. */
  add(one, other, x, y, width, height) {
    const side = Comparison.SIDE;
    for (let j = 0; j < Math.min(side, height - y); j++) {
      for (let i = 0; i < Math.min(side, width - x); i++) {
        const at = 4 * (j * side + i);
        const [r, g, b] = [one[at] - other[at], one[at + 1] - other[at + 1], one[at + 2] - other[at + 2]];
        this.errors[(y + j) * width + x + i] += r * r + g * g + b * b;
      }
    }
  }
}
