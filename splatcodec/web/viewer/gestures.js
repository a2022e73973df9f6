/** Let fingers, mouse and wheel on an element move a camera; `changed` is called whenever they have. */
function addGestures(element, camera, changed) {
  const held = new Map();
  const scale = () => camera.width / element.clientWidth;

  /** Where an event is on the element, in pixels of the screen. */
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return [(event.clientX - box.left) * scale(), (event.clientY - box.top) * scale()];
  };

  /** The middle of all that is held, and how far it is apart. */
  const grip = () => {
    const points = [...held.values()];
    const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
    return { middle, apart: Math.hypot(points[0][0] - middle[0], points[0][1] - middle[1]) };
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.target !== element || event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    held.set(event.pointerId, place(event));
    element.classList.add("held");
  });
  element.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId)) return;
    const before = grip();
    held.set(event.pointerId, place(event));
    const after = grip();
    camera.move(before.middle[0] - after.middle[0], before.middle[1] - after.middle[1]);
    if (before.apart > 0) camera.zoomTo((camera.zoom * after.apart) / before.apart, ...after.middle);
    changed();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, (event) => {
      held.delete(event.pointerId);
      element.classList.toggle("held", held.size > 0);
    });
  }
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaY * [1, 16, 400][event.deltaMode];
      // A pinch on a touch pad arrives as a wheel of small steps with Ctrl.
      camera.zoomTo(camera.zoom * Math.exp(-lines * (event.ctrlKey ? 0.01 : 0.0022)), ...place(event));
      changed();
    },
    { passive: false },
  );
  element.addEventListener("dblclick", (event) => {
    if (event.target !== element) return;
    camera.zoomTo(camera.zoom * (event.shiftKey ? 0.5 : 2), ...place(event));
    changed();
  });
}
