/** The page: which file is shown, and what it is compared with. */
(() => {
  "use strict";

  const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
  const camera = new Camera();
  const drawing = new Drawing(part, camera);
  const files = new Files();
  let current = -1;
  // Whether the original is to be seen wherever it fits.
  let isWiped = false;

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
    offerOriginal();
  }

  /** Why an original cannot be compared with what is shown; nothing if it can, or if nothing is shown. */
  function misfit(other) {
    const picture = drawing.file?.picture;
    if (!picture || other.fits(picture)) return "";
    const { width, height } = other.image;
    return `${other.name}: has ${width} \u00d7 ${height} pixels, the canvas ${picture.width} \u00d7 ${picture.height}`;
  }

  /** Let the original be seen if it fits. */
  function offerOriginal() {
    const { comparison, file } = drawing;
    const fits = Boolean(file && comparison?.fits(file.picture));
    part.wipe.hidden = !comparison;
    part.wipe.disabled = !fits;
    press(part.wipe, fits && isWiped);
  }

  /** Compare with a picture; gives what is wrong with it, if anything is. */
  async function compareWith(name, blob) {
    const other = new Comparison(name, blob);
    try {
      await other.read(drawing.file?.picture, drawing.renderer.kind);
    } catch {
      return `${name}: neither a .gsi file nor a picture that this browser shows`;
    }
    const fault = misfit(other);
    if (fault) return fault;
    drawing.comparison = other;
    isWiped = true;
    offerOriginal();
    part.kept.textContent = `${name} is kept to compare them with.`;
    return "";
  }

  /** Take what was dropped or chosen: .gsi files to show, a picture to compare with. */
  async function take(given) {
    const first = files.length;
    const [pictures, notes] = [[], []];
    for (const file of given) {
      let bytes;
      try {
        bytes = new Uint8Array(await file.arrayBuffer());
      } catch {
        notes.push(`${file.name}: cannot be read; of a folder, choose the files`);
        continue;
      }
      if (Files.isGsi(bytes)) addFile(file.name, bytes);
      else pictures.push(file);
    }
    say("");
    if (files.length > first) await show(first);
    const other = pictures.at(-1);
    if (other) notes.unshift(await compareWith(other.name, other));
    else if (drawing.comparison) notes.unshift(misfit(drawing.comparison));
    if (pictures.length > 1) notes.push(`${other.name}: taken to compare with, as the last of ${pictures.length} pictures`);
    say([part.message.firstElementChild.textContent, ...notes].filter(Boolean).join("\n"));
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
    wipe: () => {
      if (part.wipe.hidden || part.wipe.disabled) return;
      isWiped = !isWiped;
      offerOriginal();
    },
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
    if (compares) say(await compareWith(names[count], new Blob([given[count]])));
  })();
})();
