/** What is shown: `x`, `y` of the canvas at the top-left corner of the stage, and `zoom` pixels of the screen per pixel. */
class Camera {
  static MOST = 1024;

  constructor() {
    this.x = this.y = 0;
    this.zoom = this.width = this.height = this.canvasWidth = this.canvasHeight = 1;
    this.fitted = true;
  }

  /** The size of the stage in pixels of the screen; what fills it goes on to do so. */
  resize(width, height) {
    const center = [this.x + this.width / 2 / this.zoom, this.y + this.height / 2 / this.zoom];
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    else this.center(...center);
  }

  /** Another picture; one of the same size is shown in the same place. */
  look(canvasWidth, canvasHeight) {
    if (canvasWidth === this.canvasWidth && canvasHeight === this.canvasHeight) return;
    this.canvasWidth = canvasWidth;
    this.canvasHeight = canvasHeight;
    this.fit();
  }

  get least() {
    return Math.min(this.width / this.canvasWidth, this.height / this.canvasHeight);
  }

  fit() {
    this.zoom = this.least;
    this.center(this.canvasWidth / 2, this.canvasHeight / 2);
    this.fitted = true;
  }

  /**
   * Show a point in the middle; where it is none of the picture, the one next to it. The corner of the picture is that
   * of a pixel of the screen, so that pixels cover each other at 1:1.
   */
  center(x, y) {
    const snapped = (value) => Math.round(value * this.zoom) / this.zoom;
    this.x = snapped(Math.min(Math.max(x, 0), this.canvasWidth) - this.width / 2 / this.zoom);
    this.y = snapped(Math.min(Math.max(y, 0), this.canvasHeight) - this.height / 2 / this.zoom);
    this.fitted = false;
  }

  move(dx, dy) {
    this.center(this.x + (dx + this.width / 2) / this.zoom, this.y + (dy + this.height / 2) / this.zoom);
  }

  /** Zoom to `zoom`; the point at px, py of the stage, by default its middle, stays where it is. */
  zoomTo(zoom, px = this.width / 2, py = this.height / 2) {
    const x = this.x + px / this.zoom;
    const y = this.y + py / this.zoom;
    this.zoom = Math.min(Math.max(zoom, Math.min(this.least / 4, 1)), Math.max(Camera.MOST, this.least));
    this.center(x + (this.width / 2 - px) / this.zoom, y + (this.height / 2 - py) / this.zoom);
  }

  /** The picture on the stage: left, top, right and bottom in pixels of the screen. */
  get frame() {
    const left = -this.x * this.zoom;
    const top = -this.y * this.zoom;
    return [left, top, left + this.canvasWidth * this.zoom, top + this.canvasHeight * this.zoom];
  }

  /** Whole pixels of the picture that are visible: left, top, right and bottom. */
  get visible() {
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      within(Math.floor(this.x), this.canvasWidth),
      within(Math.floor(this.y), this.canvasHeight),
      within(Math.ceil(this.x + this.width / this.zoom), this.canvasWidth),
      within(Math.ceil(this.y + this.height / this.zoom), this.canvasHeight),
    ];
  }
}
