/** Outlines and centres of Gaussians. */
class Marks {
  /** So many are drawn at most. */
  static MOST = 20000;
  static COLORS = ["#ff9f3f", "#5cb8ff"];

  constructor(canvas) {
    this.context = canvas.getContext("2d");
  }

  /** Gaussians of a layer, and their numbers in the order in which they are shown. */
  set({ means, scales, rotations, amplitudes, channels, n }, order) {
    Object.assign(this, { means, scales, rotations, order });
    this.adds = Uint8Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < channels; k++) sum += amplitudes[channels * i + k];
      return sum >= 0;
    });
  }

  /** Draw those of the first `count` that are visible; gives how many these are. */
  draw(camera, count, withOutlines, withCentres) {
    const { context } = this;
    context.reset();
    if (!withOutlines && !withCentres) return 0;
    const visible = this.visible(camera, count);
    const unit = devicePixelRatio;
    for (const adds of [1, 0]) {
      const [outlines, centres] = [new Path2D(), new Path2D()];
      for (const i of visible) {
        if (this.adds[i] !== adds) continue;
        const x = (this.means[2 * i] - camera.x) * camera.zoom;
        const y = (this.means[2 * i + 1] - camera.y) * camera.zoom;
        const [a, b] = [this.scales[2 * i] * camera.zoom, this.scales[2 * i + 1] * camera.zoom];
        outlines.moveTo(x + a * Math.cos(this.rotations[i]), y + a * Math.sin(this.rotations[i]));
        outlines.ellipse(x, y, a, b, this.rotations[i], 0, 2 * Math.PI);
        centres.rect(x - unit, y - unit, 2 * unit, 2 * unit);
      }
      context.fillStyle = Marks.COLORS[1 - adds];
      for (const [width, color] of [[2.4 * unit, "#0009"], [unit, Marks.COLORS[1 - adds]]]) {
        context.lineWidth = width;
        context.strokeStyle = color;
        if (withOutlines) context.stroke(outlines);
      }
      context.lineWidth = unit;
      context.strokeStyle = "#0009";
      if (withCentres) {
        context.stroke(centres);
        context.fill(centres);
      }
    }
    return visible.length;
  }

  /** Numbers of those that reach into the view. */
  visible(camera, count) {
    const found = [];
    const [right, bottom] = [camera.x + camera.width / camera.zoom, camera.y + camera.height / camera.zoom];
    for (let k = 0; k < count && found.length < Marks.MOST; k++) {
      const i = this.order[k];
      const reach = Math.max(this.scales[2 * i], this.scales[2 * i + 1]);
      const [x, y] = [this.means[2 * i], this.means[2 * i + 1]];
      if (x + reach >= camera.x && x - reach <= right && y + reach >= camera.y && y - reach <= bottom) found.push(i);
    }
    return found;
  }
}
