/** What is shown of a picture: which of its points is in the middle, at `zoom` pixels of the screen per pixel. */
class Camera {
  static MOST = 1024;

  constructor() {
    this.centerX = this.centerY = 0;
    this.zoom = this.width = this.height = this.canvasWidth = this.canvasHeight = 1;
    this.fitted = true;
  }

  /**
   * The point in the top-left corner of the stage. The corner of the picture is that of a pixel of the screen, so that
   * pixels cover each other at 1:1.
   */
  get x() {
    return Math.round(this.centerX * this.zoom - this.width / 2) / this.zoom;
  }

  get y() {
    return Math.round(this.centerY * this.zoom - this.height / 2) / this.zoom;
  }

  /** The size of the stage in pixels of the screen; what fills it goes on to do so. */
  resize(width, height) {
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
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

  /** Show a point in the middle; where it is none of the picture, the one next to it. */
  center(x, y) {
    this.centerX = Math.min(Math.max(x, 0), this.canvasWidth);
    this.centerY = Math.min(Math.max(y, 0), this.canvasHeight);
    this.fitted = false;
  }

  move(dx, dy) {
    this.center(this.centerX + dx / this.zoom, this.centerY + dy / this.zoom);
  }

  /** Zoom to `zoom`; the point at px, py of the stage, by default its middle, stays where it is. */
  zoomTo(zoom, px = this.width / 2, py = this.height / 2) {
    const before = this.zoom;
    this.zoom = Math.min(Math.max(zoom, Math.min(this.least / 4, 1)), Math.max(Camera.MOST, this.least));
    const moved = 1 / before - 1 / this.zoom;
    this.center(this.centerX + (px - this.width / 2) * moved, this.centerY + (py - this.height / 2) * moved);
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
