/* One camera's picture: the newest frame alone is drawn, whatever else has come meanwhile. */

class CameraView {
  /** `look()` gives what is drawn how; `seen(frame)` hears of each frame that came. */
  constructor(camera, look, seen) {
    this.camera = camera;
    this.look = look;
    this.seen = seen;
    this.paused = false;
    this.waiting = null;
    this.decoding = false;
    this.frame = null;
    this.bitmap = null;
    this.scheduled = false;
    this.drawnFrames = 0;
    this.canvas = make("canvas", { class: "picture" });
    this.canvas.setAttribute("role", "img");
    this.name = make("span", { class: "plate name", text: camera.name });
    this.rate = make("span", { class: "plate rate" });
    this.banner = make("p", { class: "banner" });
    this.root = make("figure", { class: "screen" }, this.canvas, camera.name ? this.name : null, this.rate, this.banner);
    this.became("connecting", "connecting …");
    this.sizes = new ResizeObserver(() => this.redraw());
    this.sizes.observe(this.root);
    this.describe();
  }

  remove() {
    this.sizes.disconnect();
    this.bitmap?.close();
    this.root.remove();
  }

  heard(frame, jpeg) {
    this.seen(frame);
    if (this.paused) return;
    setText(this.rate, isNumber(frame.fps) ? `${frame.fps.toFixed(1)} FPS` : "");
    this.waiting = { frame, jpeg };
    this.decode();
  }

  async decode() {
    if (this.decoding) return;
    this.decoding = true;
    try {
      while (this.waiting !== null) {
        const { frame, jpeg } = this.waiting;
        this.waiting = null;
        const bitmap = jpeg ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })) : null;
        if (this.paused) {
          bitmap?.close();
          break;
        }
        if (bitmap) {
          this.bitmap?.close();
          this.bitmap = bitmap;
        }
        this.frame = frame;
        this.became(this.kind, this.told);
        this.redraw();
      }
    } catch {
      // One damaged picture: the next one comes in a moment.
    }
    this.decoding = false;
  }

  redraw() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  /** The canvas as large as fits its room, at the screen's own resolution. */
  draw() {
    if (this.frame === null) return;
    const { width, height } = this.frame;
    this.shape(width, height);
    const fit = fitted(this.canvas);
    if (!fit) return;
    if (this.bitmap) fit.context.drawImage(this.bitmap, 0, 0, fit.width, fit.height);
    drawFound(fit.context, this.frame, fit.width / width, this.look(this.camera));
    this.drawnFrames += 1;
    this.canvas.dataset.frame = this.frame.frame;
    if (this.drawnFrames % 30 === 1) this.describe();
  }

  /** Lays the canvas out; nothing is touched while nothing has changed, thirty times a second. */
  shape(width, height) {
    const [wide, high] = [this.root.clientWidth, this.root.clientHeight];
    const now = `${width} ${height} ${wide} ${high}`;
    if (now === this.laidOut || !wide || !high) return;
    this.laidOut = now;
    // The height of the room follows the picture, but where it is fixed: in full screen and side by side.
    this.root.style.setProperty("--shape", `${width} / ${height}`);
    const scale = Math.min(wide / width, high / height);
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
  }

  describe() {
    const found = this.frame?.detections ?? [];
    const counted = new Map();
    for (const { label } of found) counted.set(label, (counted.get(label) ?? 0) + 1);
    const told = [...counted].map(([label, count]) => `${count} ${label}`).join(", ");
    const name = this.camera.name || "the camera";
    this.canvas.setAttribute("aria-label", `Live picture of ${name}${this.frame ? `: ${told || "nothing found"}` : ""}`);
  }

  /** What became of the connection, in a line over the picture where there is something to say. */
  became(kind, text) {
    [this.kind, this.told] = [kind, text];
    const open = kind === "open";
    this.banner.hidden = open && this.frame !== null;
    setText(this.banner, open ? "waiting for the first frame …" : text);
    this.root.classList.toggle("stale", !open && this.frame !== null);
  }

  pause(paused) {
    this.paused = paused;
    this.root.classList.toggle("paused", paused);
  }
}

/** A camera of which only a still is shown, anew every some seconds: browsers hold few streams. */
class StillView {
  constructor(camera) {
    this.camera = camera;
    this.image = make("img", { class: "picture", alt: `Picture of ${camera.name}` });
    this.name = make("span", { class: "plate name", text: camera.name });
    this.root = make("figure", { class: "screen still" }, this.image, this.name, make("span", { class: "plate rate", text: "still" }));
    this.paused = false;
  }

  again() {
    if (!this.paused) this.image.src = `/snapshot.jpg?drawn=1&camera=${encodeURIComponent(this.camera.name)}&at=${Date.now()}`;
  }

  pause(paused) {
    this.paused = paused;
  }

  redraw() {}

  remove() {
    this.root.remove();
  }
}
