/**
 * What is seen on the stage: a picture, an original on the left of a divider, marks, and what is said of them. `part`
 * has the elements of the page by their ids.
 */
class Drawing {
  // Milliseconds: of a frame that moves smoothly; of what is aimed at, where full frames take longer; until it is at rest.
  static SMOOTH = 33;
  static AIM = 20;
  static REST = 140;

  constructor(part, camera) {
    this.part = part;
    this.camera = camera;
    this.renderer = new gsiRender.Renderer(part.picture);
    this.marks = new Marks(part.marks);
    /** The file that is shown; null if none can be. */
    this.file = null;
    /** What it can be compared with. */
    this.comparison = null;
    this.wipe = 0.5;
    // How much coarser the picture is drawn while it moves.
    this.coarseness = 1;
    this.isMoving = false;
    this.requested = 0;
    this.resting = 0;
  }

  /** Show another file, or none. */
  async show(file) {
    this.file = file;
    if (!file) return;
    const { picture, order } = file;
    this.renderer.setPicture(picture);
    this.marks.set(picture.colors, order);
    this.camera.look(picture.width, picture.height);
    // The slider keeps its place while the number changes.
    this.part.shown.style.minWidth = `${2 * grouped(picture.colors.n).length + 3}ch`;
    await this.comparison?.read(picture, this.renderer.kind);
    this.changed();
  }

  /** Let a share of the stage show the original. */
  wipeTo(share) {
    this.wipe = Math.min(Math.max(share, 0), 1);
    this.changed();
  }

  /** Draw soon: coarsely at first where that is needed, and in full when nothing has changed for a while. */
  changed() {
    const request = () => (this.requested ||= requestAnimationFrame(() => this.draw()));
    this.isMoving = true;
    this.part.stage.ariaBusy = this.file !== null;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.isMoving = false;
      request();
    }, this.coarseness > 1 || this.comparison ? Drawing.REST : 0);
    request();
  }

  draw() {
    this.requested = 0;
    const { part, file, camera, comparison, marks } = this;
    if (!file) return;
    const reduction = this.isMoving ? this.coarseness : 1;
    const count = this.count;
    this.drawPicture(count, reduction);
    const isCompared = comparison?.fits(file.picture) && isPressed(part.wipe);
    part.original.hidden = part.divider.hidden = !isCompared;
    this.cover(part.original);
    this.cover(part.marks);
    if (isCompared) comparison.draw(part.original, camera);
    this.clip(isCompared);
    const marked = marks.draw(camera, count, isPressed(part.outlines), isPressed(part.centres));
    // A canvas that is cleared and left so may go on to show what it has shown (Chromium 156).
    part.marks.hidden = marked === 0;
    this.describe(count, reduction, marked);
    if (this.isMoving) return;
    this.showPsnr(count);
    part.stage.ariaBusy = false;
  }

  drawPicture(count, reduction) {
    const { camera, renderer } = this;
    const canvas = this.part.picture;
    const coarser = Math.max(reduction, Math.max(camera.width, camera.height) / renderer.largest);
    this.cover(canvas, coarser);
    const start = performance.now();
    renderer.draw({ x: camera.x, y: camera.y, zoom: camera.zoom / coarser, count });
    if (reduction === 1) this.finished(canvas.getContext("webgl2"), start);
  }

  /** Let a canvas cover the stage with pixels each as large as `reduction` of the screen. */
  cover(canvas, reduction = 1) {
    for (const [side, length] of [["width", this.camera.width], ["height", this.camera.height]]) {
      const count = Math.ceil(length / reduction);
      if (canvas[side] !== count) canvas[side] = count;
      canvas.style[side] = `${(count * reduction) / devicePixelRatio}px`;
    }
  }

  /** Note how long a full frame took, when it is done. */
  async finished(gl, start) {
    // A context that is lost has no fence.
    const fence = gl?.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    if (fence) {
      gl.flush();
      do await new Promise((resolve) => setTimeout(resolve, 2));
      while (gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED && !gl.isContextLost());
      gl.deleteSync(fence);
    }
    const time = performance.now() - start;
    this.coarseness = time <= Drawing.SMOOTH ? 1 : Math.min(8, Math.ceil(Math.sqrt(time / Drawing.AIM)));
    this.part.stage.dataset.milliseconds = time.toFixed(1);
  }

  /** Show nothing beyond the canvas, and of the picture only what is right of the divider. */
  clip(isCompared) {
    const { part, camera } = this;
    const [left, top, right, bottom] = camera.frame.map((value) => value / devicePixelRatio);
    const [width, height] = [camera.width / devicePixelRatio, camera.height / devicePixelRatio];
    const x = this.wipe * width;
    const inset = (from, to) =>
      `inset(${[top, width - to, height - bottom, from].map((value) => `${Math.max(value, 0)}px`).join(" ")})`;
    part.board.style.clipPath = inset(left, right);
    part.picture.style.clipPath = inset(isCompared ? Math.max(left, x) : left, right);
    part.original.style.clipPath = inset(left, Math.min(right, x));
    part.marks.style.clipPath = isCompared ? `inset(0 0 0 ${x}px)` : "";
    part.divider.style.left = `${x}px`;
    part.divider.setAttribute("aria-valuenow", Math.round(100 * this.wipe));
  }

  describe(count, reduction, marked) {
    const { part, camera, renderer } = this;
    part.zoom.textContent = percentage(camera.zoom);
    part.shown.textContent = `${grouped(count)} of ${grouped(this.file.picture.colors.n)}`;
    part.count.setAttribute("aria-valuetext", part.shown.textContent);
    const notes = [];
    if (reduction > 1) notes.push("coarse while it moves");
    if (marked === Marks.MOST) notes.push(`ellipses of the ${grouped(marked)} strongest only`);
    if (renderer.kind !== "webgl2") notes.push("drawn without a GPU");
    part.status.textContent = notes.join(", ");
  }

  showPsnr(count) {
    const { comparison, camera } = this;
    const { picture } = this.file;
    const psnr = comparison?.fits(picture) ? comparison.psnr(picture, count, camera.visible) : null;
    this.part.psnr.textContent = psnr === null ? "" : psnr === Infinity ? "no difference" : `PSNR ${psnr.toFixed(2)} dB`;
  }

  /** How many Gaussians the slider asks for: as many to each step as add about the same. */
  get count() {
    const { value, max } = this.part.count;
    return Math.round((this.file.picture.colors.n + 1) ** (value / max) - 1);
  }
}

function percentage(zoom) {
  return `${zoom < 0.1 ? (100 * zoom).toFixed(1) : grouped(Math.round(100 * zoom))}\u202f%`;
}

function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}
