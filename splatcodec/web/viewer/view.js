(() => {
  "use strict";

  // Milliseconds: of a frame that moves smoothly; of what is aimed at, where full frames take longer; until it is at rest.
  const SMOOTH = 33;
  const AIM = 20;
  const REST = 140;
  const MAGIC = [0x89, 0x47, 0x53, 0x49];

  const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
  const camera = new Camera();
  const renderer = new gsiRender.Renderer(part.picture);
  const marks = new Marks(part.marks);
  const files = [];
  let current = -1;
  let comparison = null;
  let wipe = 0.5;
  // How much coarser the picture is drawn while it moves.
  let coarseness = 1;
  let isMoving = false;
  let requested = 0;
  let resting = 0;

  gsi.setTables(unpackTables(gsiPage.tables));

  // ---- Files

  /** A file to show; what cannot be read is said when it is looked at. */
  function addFile(name, bytes) {
    files.push({ name, bytes });
    part.file.append(new Option(name, files.length - 1));
  }

  /** Decode a file; throws what is wrong with it. */
  function opened(file) {
    if (file.picture) return file;
    file.picture = { ...gsi.decode(file.bytes), key: files.indexOf(file) };
    file.order = gsiRender.strongestFirst(file.picture.colors);
    return file;
  }

  async function show(number) {
    current = number;
    part.file.value = number;
    const { name } = files[number];
    document.title = `${name} \u2013 splatcodec`;
    part.picture.setAttribute("aria-label", name);
    part.previous.hidden = part.next.hidden = files.length < 2;
    part.file.hidden = false;
    part.empty.hidden = true;
    let file = null;
    try {
      file = opened(files[number]);
      say("");
    } catch (error) {
      if (!(error instanceof gsi.GsiError)) throw error;
      say(`${name}: ${error.message}`);
    }
    for (const id of ["board", "picture"]) part[id].hidden = !file;
    part.marks.hidden ||= !file;
    part.count.disabled = !file;
    if (!file) {
      part.facts.replaceChildren();
      return;
    }
    const { picture } = file;
    renderer.setPicture(picture);
    marks.set(picture.colors, file.order);
    camera.look(picture.width, picture.height);
    showFacts(part.facts, file);
    // The slider keeps its place while the number changes.
    part.shown.style.minWidth = `${2 * grouped(picture.colors.n).length + 3}ch`;
    await comparison?.read(picture, renderer.kind);
    changed();
  }

  /** The file that is shown, if it can be. */
  const shown = () => (files[current]?.picture ? files[current] : null);

  async function compareWith(name, blob) {
    const other = new Comparison(name, blob);
    const picture = shown()?.picture;
    try {
      await other.read(picture, renderer.kind);
    } catch {
      say(`${name}: neither a .gsi file nor a picture that this browser shows`);
      return;
    }
    if (picture && !other.fits(picture)) {
      const { width, height } = other.image;
      say(`${name}: has ${width} \u00d7 ${height} pixels, the canvas ${picture.width} \u00d7 ${picture.height}`);
      return;
    }
    comparison = other;
    part.wipe.hidden = false;
    press(part.wipe, true);
    changed();
  }

  /** Take what was dropped or chosen: .gsi files to show, a picture to compare with. */
  async function take(given) {
    const first = files.length;
    let other = null;
    for (const file of given) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (MAGIC.every((byte, i) => bytes[i] === byte)) addFile(file.name, bytes);
      else other = file;
    }
    if (files.length > first) await show(first);
    if (other) await compareWith(other.name, other);
  }

  function say(text) {
    part.message.firstElementChild.textContent = text;
    part.message.hidden = !text;
  }

  // ---- Drawing

  /** Draw soon: coarsely at first where that is needed, and in full when nothing has changed for a while. */
  function changed() {
    isMoving = true;
    part.stage.ariaBusy = shown() !== null;
    clearTimeout(resting);
    resting = setTimeout(() => {
      isMoving = false;
      requested ||= requestAnimationFrame(draw);
    }, coarseness > 1 || comparison ? REST : 0);
    requested ||= requestAnimationFrame(draw);
  }

  function draw() {
    requested = 0;
    const file = shown();
    if (!file) return;
    const reduction = isMoving ? coarseness : 1;
    drawPicture(file, reduction);
    const isCompared = comparison?.fits(file.picture) && isPressed(part.wipe);
    part.original.hidden = part.divider.hidden = !isCompared;
    cover(part.original);
    cover(part.marks);
    if (isCompared) comparison.draw(part.original, camera);
    clip(isCompared);
    const count = countShown(file);
    const marked = marks.draw(camera, count, isPressed(part.outlines), isPressed(part.centres));
    // A canvas that is cleared and left so may go on to show what it has shown (Chromium 156).
    part.marks.hidden = marked === 0;
    part.zoom.textContent = percentage(camera.zoom);
    part.shown.textContent = `${grouped(count)} of ${grouped(file.picture.colors.n)}`;
    part.count.setAttribute("aria-valuetext", part.shown.textContent);
    const notes = [];
    if (reduction > 1) notes.push("coarse while it moves");
    if (marked === Marks.MOST) notes.push(`ellipses of the ${grouped(marked)} strongest only`);
    if (renderer.kind !== "webgl2") notes.push("drawn without a GPU");
    part.status.textContent = notes.join(", ");
    if (isMoving) return;
    showPsnr(file, count);
    part.stage.ariaBusy = false;
  }

  function drawPicture({ picture, order }, reduction) {
    const canvas = part.picture;
    reduction = Math.max(reduction, Math.max(camera.width, camera.height) / renderer.largest);
    cover(canvas, reduction);
    const start = performance.now();
    renderer.draw({ x: camera.x, y: camera.y, zoom: camera.zoom / reduction, count: countShown({ picture, order }) });
    if (reduction === 1) finished(canvas.getContext("webgl2"), start);
  }

  /** Let a canvas cover the stage with pixels each as large as `reduction` of the screen. */
  function cover(canvas, reduction = 1) {
    for (const [side, length] of [["width", camera.width], ["height", camera.height]]) {
      const count = Math.ceil(length / reduction);
      if (canvas[side] !== count) canvas[side] = count;
      canvas.style[side] = `${(count * reduction) / devicePixelRatio}px`;
    }
  }

  /** Note how long a full frame took, when it is done. */
  async function finished(gl, start) {
    if (gl) {
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      do await new Promise((resolve) => setTimeout(resolve, 2));
      while (gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED && !gl.isContextLost());
      gl.deleteSync(fence);
    }
    const time = performance.now() - start;
    coarseness = time <= SMOOTH ? 1 : Math.min(8, Math.ceil(Math.sqrt(time / AIM)));
    part.stage.dataset.milliseconds = time.toFixed(1);
  }

  /** Show nothing beyond the canvas, and of the picture only what is right of the divider. */
  function clip(isCompared) {
    const [left, top, right, bottom] = camera.frame.map((value) => value / devicePixelRatio);
    const [width, height] = [camera.width / devicePixelRatio, camera.height / devicePixelRatio];
    const x = wipe * width;
    const inset = (from, to) =>
      `inset(${[top, width - to, height - bottom, from].map((value) => `${Math.max(value, 0)}px`).join(" ")})`;
    part.board.style.clipPath = inset(left, right);
    part.picture.style.clipPath = inset(isCompared ? Math.max(left, x) : left, right);
    part.original.style.clipPath = inset(left, Math.min(right, x));
    part.marks.style.clipPath = isCompared ? `inset(0 0 0 ${x}px)` : "";
    part.divider.style.left = `${x}px`;
    part.divider.setAttribute("aria-valuenow", Math.round(100 * wipe));
  }

  function showPsnr({ picture }, count) {
    const psnr = comparison?.fits(picture) ? comparison.psnr(picture, count, camera.visible) : null;
    part.psnr.textContent = psnr === null ? "" : psnr === Infinity ? "no difference" : `PSNR ${psnr.toFixed(2)} dB`;
  }

  /** How many Gaussians the slider asks for: as many to each step as add about the same. */
  function countShown({ picture }) {
    const share = part.count.value / part.count.max;
    return Math.round((picture.colors.n + 1) ** share - 1);
  }

  const percentage = (zoom) => `${zoom < 0.1 ? (100 * zoom).toFixed(1) : grouped(Math.round(100 * zoom))}\u202f%`;

  // ---- Buttons and keys

  const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

  function press(button, is = !isPressed(button)) {
    button.setAttribute("aria-pressed", is);
    if (button === part.about) part.facts.hidden = !is;
    changed();
  }

  const zoomBy = (factor) => () => camera.zoomTo(camera.zoom * factor);
  const step = (by) => () => files.length > 1 && show((current + by + files.length) % files.length);
  const panBy = (dx, dy) => (event) => {
    const share = event.shiftKey ? 0.5 : 0.1;
    camera.move(dx * share * camera.width, dy * share * camera.height);
  };
  const actions = {
    previous: step(-1),
    next: step(1),
    open: () => part.picker.click(),
    choose: () => part.picker.click(),
    outlines: () => press(part.outlines),
    centres: () => press(part.centres),
    wipe: () => comparison && press(part.wipe),
    about: () => press(part.about),
    out: zoomBy(1 / 1.5),
    in: zoomBy(1.5),
    fit: () => camera.fit(),
    actual: () => camera.zoomTo(1),
    help: () => part.keys.showModal(),
  };
  const KEYS = {
    p: actions.previous,
    n: actions.next,
    PageUp: actions.previous,
    PageDown: actions.next,
    o: actions.open,
    e: actions.outlines,
    c: actions.centres,
    w: actions.wipe,
    i: actions.about,
    "-": actions.out,
    "+": actions.in,
    "=": actions.in,
    0: actions.fit,
    1: actions.actual,
    "?": actions.help,
    Escape: () => {
      say("");
      press(part.about, false);
    },
    ArrowLeft: panBy(-1, 0),
    ArrowRight: panBy(1, 0),
    ArrowUp: panBy(0, -1),
    ArrowDown: panBy(0, 1),
  };

  for (const [id, action] of Object.entries(actions)) {
    part[id].addEventListener("click", (event) => {
      action(event);
      changed();
    });
  }
  addEventListener("keydown", (event) => {
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const isTaken = event.target.matches("input, select, [role=slider]") && /^(Arrow|Page)/.test(event.key);
    const isLetter = event.target.matches("select") && /^[a-z]$/i.test(event.key);
    if (!action || isTaken || isLetter || part.keys.open || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
    changed();
  });
  part.file.addEventListener("change", () => show(Number(part.file.value)));
  part.count.addEventListener("input", changed);
  part.message.lastElementChild.addEventListener("click", () => say(""));
  part.picker.addEventListener("change", async () => {
    await take([...part.picker.files]);
    part.picker.value = "";
  });

  addEventListener("dragover", (event) => {
    event.preventDefault();
    part.stage.classList.add("target");
  });
  addEventListener("dragleave", () => part.stage.classList.remove("target"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    part.stage.classList.remove("target");
    take([...event.dataTransfer.files]);
  });

  function wipeTo(share) {
    wipe = Math.min(Math.max(share, 0), 1);
    changed();
  }
  part.divider.addEventListener("pointerdown", (event) => part.divider.setPointerCapture(event.pointerId));
  part.divider.addEventListener("pointermove", (event) => {
    if (!part.divider.hasPointerCapture(event.pointerId)) return;
    const box = part.stage.getBoundingClientRect();
    wipeTo((event.clientX - box.left) / box.width);
  });
  part.divider.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    wipeTo(wipe + by);
  });

  addGestures(part.stage, camera, changed);
  function fill() {
    const { clientWidth, clientHeight } = part.stage;
    camera.resize(Math.round(clientWidth * devicePixelRatio), Math.round(clientHeight * devicePixelRatio));
    changed();
  }
  new ResizeObserver(fill).observe(part.stage);
  // On a screen of another resolution, the stage may keep its size.
  addEventListener("resize", fill);

  // ---- What the page came with

  (async () => {
    const { names, files: given, compares } = gsiPage;
    const count = given.length - compares;
    for (let k = 0; k < count; k++) addFile(names[k], given[k]);
    if (count > 0) await show(0);
    if (compares) await compareWith(names[count], new Blob([given[count]]));
  })();
})();
