/** The page: which file is shown, and what it is compared with. */
(() => {
  "use strict";

  const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
  const camera = new Camera();
  const drawing = new Drawing(part, camera);
  const files = new Files();
  let current = -1;

  gsi.setTables(unpackTables(gsiPage.tables));

  /** A file to show; what cannot be read is said when it is looked at. */
  function addFile(name, bytes) {
    part.file.append(new Option(name, files.add(name, bytes)));
  }

  async function show(number) {
    current = number;
    part.file.value = number;
    const name = files.nameOf(number);
    document.title = `${name} \u2013 splatcodec`;
    part.picture.setAttribute("aria-label", name);
    part.previous.hidden = part.next.hidden = files.length < 2;
    part.file.hidden = false;
    part.empty.hidden = true;
    let file = null;
    try {
      file = files.open(number);
      say("");
    } catch (error) {
      if (!(error instanceof gsi.GsiError)) throw error;
      say(`${name}: ${error.message}`);
    }
    for (const id of ["board", "picture"]) part[id].hidden = !file;
    part.marks.hidden ||= !file;
    part.count.disabled = !file;
    if (file) showFacts(part.facts, file);
    else part.facts.replaceChildren();
    await drawing.show(file);
  }

  async function compareWith(name, blob) {
    const other = new Comparison(name, blob);
    const picture = drawing.file?.picture;
    try {
      await other.read(picture, drawing.renderer.kind);
    } catch {
      say(`${name}: neither a .gsi file nor a picture that this browser shows`);
      return;
    }
    if (picture && !other.fits(picture)) {
      const { width, height } = other.image;
      say(`${name}: has ${width} \u00d7 ${height} pixels, the canvas ${picture.width} \u00d7 ${picture.height}`);
      return;
    }
    drawing.comparison = other;
    part.wipe.hidden = false;
    press(part.wipe, true);
  }

  /** Take what was dropped or chosen: .gsi files to show, a picture to compare with. */
  async function take(given) {
    const first = files.length;
    let other = null;
    for (const file of given) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (Files.isGsi(bytes)) addFile(file.name, bytes);
      else other = file;
    }
    if (files.length > first) await show(first);
    if (other) await compareWith(other.name, other);
  }

  function say(text) {
    part.message.firstElementChild.textContent = text;
    part.message.hidden = !text;
  }

  const changed = () => drawing.changed();

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
    wipe: () => drawing.comparison && press(part.wipe),
    about: () => press(part.about),
    out: zoomBy(1 / 1.5),
    in: zoomBy(1.5),
    fit: () => camera.fit(),
    actual: () => camera.zoomTo(1),
    help: () => part.keys.showModal(),
    close: () => {
      say("");
      press(part.about, false);
    },
    left: panBy(-1, 0),
    right: panBy(1, 0),
    up: panBy(0, -1),
    down: panBy(0, 1),
  };
  addActions(part, actions, changed);
  addDivider(part.divider, part.stage, drawing);
  addDrop(part.stage, take);
  addGestures(part.stage, camera, changed);

  part.file.addEventListener("change", () => show(Number(part.file.value)));
  part.count.addEventListener("input", changed);
  part.message.lastElementChild.addEventListener("click", () => say(""));
  part.picker.addEventListener("change", async () => {
    await take([...part.picker.files]);
    part.picker.value = "";
  });

  function fill() {
    const { clientWidth, clientHeight } = part.stage;
    camera.resize(Math.round(clientWidth * devicePixelRatio), Math.round(clientHeight * devicePixelRatio));
    changed();
  }
  new ResizeObserver(fill).observe(part.stage);
  // On a screen of another resolution, the stage may keep its size.
  addEventListener("resize", fill);

  (async () => {
    const { names, files: given, compares } = gsiPage;
    const count = given.length - compares;
    for (let k = 0; k < count; k++) addFile(names[k], given[k]);
    if (count > 0) await show(0);
    if (compares) await compareWith(names[count], new Blob([given[count]]));
  })();
})();
