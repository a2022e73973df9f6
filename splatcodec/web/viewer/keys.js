/** Names of actions by the keys that stand for them. */
const ACTIONS_OF_KEYS = {
  p: "previous",
  n: "next",
  PageUp: "previous",
  PageDown: "next",
  o: "open",
  e: "outlines",
  c: "centres",
  w: "wipe",
  i: "about",
  "-": "out",
  "+": "in",
  "=": "in",
  0: "fit",
  1: "actual",
  "?": "help",
  Escape: "close",
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};

/** Let buttons, by their ids, and keys do what their actions say; `changed` is called whenever they have. */
function addActions(part, actions, changed) {
  const act = (name, event) => {
    actions[name](event);
    changed();
  };
  for (const name of Object.keys(actions)) part[name]?.addEventListener("click", (event) => act(name, event));
  addEventListener("keydown", (event) => {
    const name = ACTIONS_OF_KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const isTaken = event.target.matches("input, select, [role=slider]") && /^(Arrow|Page)/.test(event.key);
    const isLetter = event.target.matches("select") && /^[a-z]$/i.test(event.key);
    if (!name || isTaken || isLetter || part.keys.open || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(name, event);
  });
}

/** Let the divider be moved, by pointers and by keys; `wipe` and `wipeTo` tell and take the share that is left of it. */
function addDivider(divider, stage, drawing) {
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    drawing.wipeTo((event.clientX - box.left) / box.width);
  });
  divider.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    drawing.wipeTo(drawing.wipe + by);
  });
}

/** Call a function with the files that are dropped on the page. */
function addDrop(stage, take) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("target");
  });
  addEventListener("dragleave", () => stage.classList.remove("target"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("target");
    take([...event.dataTransfer.files]);
  });
}
