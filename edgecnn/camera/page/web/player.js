/* Plays a recording: streams it, shows each frame at its time, and holds only some seconds of it. */

const AHEAD_FRAMES = 90;
const AHEAD_BYTES = 48e6;

class Player {
  constructor(dialog) {
    this.dialog = dialog;
    this.canvas = make("canvas", { class: "picture", role: "img" });
    this.title = make("h2", { id: "player-title" });
    this.toggle = iconButton("pause", "Pause", () => this.setPlaying(!this.playing), { title: null, autofocus: true });
    this.seekBar = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0, "aria-label": "Position" });
    this.seekBar.addEventListener("input", () => this.seek(Number(this.seekBar.value)));
    this.time = make("span", { class: "muted time" });
    this.message = make("p", { class: "banner", hidden: true });
    this.save = make("a", { class: "round", "aria-label": "Download", title: "Download", download: "" }, icon("save"));
    const close = iconButton("close", "Close", () => dialog.close());
    this.image = make("img", { class: "picture", alt: "" });
    this.controls = make("div", { class: "player-tools" }, this.toggle, this.seekBar, this.time);
    dialog.append(make("div", { class: "dialog-head" }, this.title, this.save, close),
      make("figure", { class: "player-screen" }, this.canvas, this.image, this.message), this.controls);
    dialog.addEventListener("close", () => this.stop());
    dialog.addEventListener("keydown", (event) => this.key(event));
    this.stop();
  }

  /** Shows a file of /recordings: plays a video, shows a picture. */
  show(name) {
    this.stop();
    const address = `/recordings/${encodeURIComponent(name)}`;
    setText(this.title, name);
    this.save.href = address;
    this.save.download = name;
    const film = name.endsWith(".mkv");
    this.canvas.hidden = this.controls.hidden = !film;
    this.image.hidden = film;
    if (!this.dialog.open) this.dialog.showModal();
    if (!film) {
      this.image.src = address;
      this.image.alt = name;
      return;
    }
    this.canvas.setAttribute("aria-label", `Recording ${name}`);
    this.address = address;
    this.begin();
  }

  stop() {
    this.loading?.abort();
    this.loading = null;
    cancelAnimationFrame(this.turn);
    [this.queue, this.queued, this.length, this.clusters] = [[], 0, null, []];
    [this.now, this.last, this.playing, this.ended, this.busy] = [0, 0, false, false, false];
    [this.more, this.wants] = [null, false];
    this.image.removeAttribute("src");
  }

  async begin() {
    this.setPlaying(true);
    this.stream(0, 0);
    this.tick(performance.now());
  }

  setPlaying(playing) {
    if (playing && this.ended && !this.queue.length) this.seek(0);
    this.playing = playing;
    this.clockAt = performance.now();
    swapIcon(this.toggle, playing ? "pause" : "play");
    this.toggle.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  /** Reads from a byte on; frames before `from` seconds are passed over. */
  async stream(offset, from) {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    [this.queue, this.queued, this.ended, this.passed, this.shownSince] = [[], 0, false, null, false];
    this.say("loading …");
    try {
      const headers = offset ? { Range: `bytes=${offset}-` } : {};
      const response = await fetch(this.address, { headers, signal: loading.signal, cache: "no-store" });
      if (!response.ok) throw new Error(await errorOf(response));
      if (offset && response.status !== 206) throw new Error("the server does not give parts of files");
      const reader = new MatroskaReader(offset);
      const stream = response.body.getReader();
      for (;;) {
        const { done, value } = await stream.read();
        if (loading.signal.aborted) return;
        if (done) break;
        this.take(reader.feed(value), from);
        if (offset === 0) this.learn(reader, loading.signal);
        this.remember(reader.clusters);
        while (this.queue.length > AHEAD_FRAMES || this.queued > AHEAD_BYTES) {
          await new Promise((room) => { this.more = room; });
          if (loading.signal.aborted) return;
        }
      }
      this.ended = true;
      // Behind the last frame's time stands that frame.
      if (!this.queue.length && this.passed && !this.shownSince) this.queue.push(this.passed);
      if (!this.queue.length && !this.last) this.say("there is no frame in this file yet");
    } catch (error) {
      if (!loading.signal.aborted) this.say(error.message);
    }
  }

  take(frames, from) {
    for (const frame of frames) {
      if (frame.time < from - 0.001) {
        this.passed = frame;
        continue;
      }
      this.shownSince = true;
      this.queue.push(frame);
      this.queued += frame.jpeg.length;
      this.last = Math.max(this.last, frame.time);
    }
  }

  remember(clusters) {
    const known = this.clusters.at(-1)?.time ?? -1;
    for (const cluster of clusters) if (cluster.time > known) this.clusters.push(cluster);
    clusters.length = 0;
  }

  /** Length, and where to jump to, from the file's own table: once it was closed it has one. */
  async learn(reader, signal) {
    if (this.length !== null || reader.length === null || reader.cuesAt === null) return;
    this.length = reader.length;
    try {
      const response = await fetch(this.address, { headers: { Range: `bytes=${reader.cuesAt}-` }, signal });
      if (response.status !== 206) return;
      const table = new MatroskaReader(reader.cuesAt);
      table.scale = reader.scale;
      table.feed(new Uint8Array(await response.arrayBuffer()));
      this.clusters = table.cues.map(({ time, at }) => ({ time, at: at + reader.segment }));
    } catch { /* then one jumps only to what was played already */ }
  }

  seek(time) {
    const start = [...this.clusters].reverse().find((cluster) => cluster.time <= time + 0.001);
    this.now = time;
    this.wants = true;
    this.clockAt = performance.now();
    this.release();
    this.stream(start?.at ?? 0, start ? time : 0);
  }

  release() {
    this.more?.();
    this.more = null;
  }

  tick(now) {
    this.turn = requestAnimationFrame((later) => this.tick(later));
    const passed = (now - this.clockAt) / 1e3;
    this.clockAt = now;
    const first = this.queue[0];
    if (first && first.time > this.now + 30) this.now = first.time;
    if (this.playing && first) this.now += Math.max(0, Math.min(passed, 0.25));
    let due = null;
    // After a jump the next frame is shown at once, also while it stands still.
    while (this.queue.length && (this.queue[0].time <= this.now || this.wants)) {
      due = this.queue.shift();
      this.queued -= due.jpeg.length;
      this.wants = false;
    }
    if (this.queue.length < AHEAD_FRAMES / 2 && this.queued < AHEAD_BYTES / 2) this.release();
    if (due) this.paint(due);
    if (this.playing && this.ended && !this.queue.length) this.setPlaying(false);
    const whole = this.length ?? this.last;
    this.seekBar.max = Math.max(whole, 0.05);
    if (document.activeElement !== this.seekBar || this.playing) this.seekBar.value = Math.min(this.now, whole);
    this.seekBar.style.setProperty("--part", `${100 * Math.min(1, this.now / Math.max(whole, 0.05))}%`);
    setText(this.time, `${position(this.now)} / ${this.length === null ? "…" : position(whole)}`);
  }

  async paint(frame) {
    if (this.busy) return;
    this.busy = true;
    try {
      const bitmap = await createImageBitmap(new Blob([frame.jpeg], { type: "image/jpeg" }));
      [this.canvas.width, this.canvas.height] = [bitmap.width, bitmap.height];
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      this.canvas.dataset.time = frame.time;
      bitmap.close();
      this.say(null);
    } catch { /* one damaged frame */ }
    this.busy = false;
  }

  say(text) {
    this.message.hidden = text === null;
    if (text !== null) setText(this.message, text);
  }

  key(event) {
    if (event.key === " " && !event.target.closest("button, a")) this.setPlaying(!this.playing);
    else if (event.key === "ArrowRight" && event.target !== this.seekBar) this.seek(Math.min(this.now + 5, this.length ?? this.last));
    else if (event.key === "ArrowLeft" && event.target !== this.seekBar) this.seek(Math.max(0, this.now - 5));
    else return;
    event.preventDefault();
  }
}
