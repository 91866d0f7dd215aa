/* The page as a whole: who is connected, what is shown, and what the buttons do. */

const STREAMS_AT_ONCE = 4;
const STILL_MS = 3000;
const HIDDEN_MS = 4000;
const ALL = Symbol("all cameras");

class Page {
  constructor() {
    this.choices = new Choices();
    this.about = null;
    this.views = [];
    this.connections = [];
    this.chosen = null;
    this.counts = new Map();
    this.used = new Set();
    this.paused = false;
    this.asking = 0;
    const colourOf = (item) => this.colourOf(item);
    this.figures = new Figures(byId("tiles"), byId("stages"), byId("stages-legend"), byId("stages-when"));
    this.countTable = new Counts(byId("counts"));
    this.events = new Events(byId("events"), colourOf);
    this.classes = new Classes(byId("classes"), this.choices, colourOf, (label, score) => this.postLimit(label, score));
    this.player = new Player(byId("player"));
    this.recordings = new Recordings(byId("recordings"), this.player);
    this.events.play = (name) => this.player.show(name);
    this.choices.listeners.push(() => this.showChoices());
    this.buttons();
    this.layers();
    this.showChoices();
  }

  /* ---- who is connected ---- */

  async start() {
    for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
      try {
        const response = await fetch("/about", { cache: "no-store" });
        if (response.ok) {
          this.learn(await response.json());
          return;
        }
        this.state("refused", response.status === 401 ? "open the address with its token, as the program printed it" : await errorOf(response));
      } catch {
        this.state("lost", "no connection, trying again");
      }
      await pause(wait);
    }
  }

  learn(about) {
    // Another loop may answer than before: with other cameras or classes all is built anew.
    const same = this.about !== null && JSON.stringify([this.about.cameras, this.about.labels]) === JSON.stringify([about.cameras, about.labels]);
    this.about = about;
    document.title = about.model?.name ? `${about.model.name} – edgecnn` : "edgecnn";
    setText(byId("version"), about.version ? `edgecnn ${about.version}` : "");
    showCard(about.model);
    for (const part of [this.figures, this.countTable, this.events, this.recordings]) part.about(about);
    if (same) {
      this.classes.start = about.limits_at_start ?? this.classes.start;
      this.classes.heard(about.limits ?? {});
      return;
    }
    this.classes.about(about);
    this.chosen = about.cameras.length > 1 ? ALL : about.cameras[0];
    this.showTabs();
    this.connect();
  }

  /** Streams of what is shown; the first one also brings events, figures and limits. */
  connect() {
    this.disconnect();
    const shown = this.shown();
    byId("screens").dataset.count = Math.min(shown.length, 9);
    this.views = shown.map((camera, place) => this.view(camera, place, shown.length > 1));
    byId("screens").replaceChildren(...this.views.map((view) => view.root));
    this.views.forEach((view, place) => { if (view instanceof CameraView) this.listen(view, place === 0); });
    this.figures.choose(this.chosen === ALL ? null : this.chosen.name);
    setText(byId("figures-of"), this.about.cameras.length < 2 ? "" : this.chosen === ALL ? "all cameras" : this.chosen.name);
    this.showCounts();
    this.pauseAll(this.paused);
    this.stills();
  }

  view(camera, place, several) {
    const view = place < STREAMS_AT_ONCE ? new CameraView(camera, (one) => this.look(one), (frame) => this.saw(frame)) : new StillView(camera);
    if (several) {
      const open = make("button", { type: "button", class: "choose", "aria-label": `Show ${camera.name} alone`, on: { click: () => this.choose(camera) } });
      view.root.append(open);
    }
    return view;
  }

  listen(view, first) {
    const heard = (message, jpeg) => this.heard(view, first, message, jpeg);
    const became = (kind, text) => this.became(view, first, kind, text);
    const connection = new Connection(view.camera.name, heard, became);
    this.connections.push(connection);
    connection.open();
  }

  disconnect() {
    for (const connection of this.connections) connection.close();
    for (const view of this.views) view.remove();
    [this.connections, this.views] = [[], []];
    clearTimeout(this.asking);
  }

  became(view, first, kind, text) {
    view.became(kind, text);
    if (!first) return;
    this.state(kind, text);
    if (kind === "lost" || kind === "ended") this.again = true;
    if (kind === "open" && this.again) {
      this.again = false;
      fetch("/about", { cache: "no-store" }).then(async (response) => { if (response.ok) this.learn(await response.json()); }).catch(() => {});
    }
  }

  state(kind, text) {
    byId("state").dataset.kind = kind;
    setText(byId("state-text"), this.paused && kind === "open" ? "paused" : text);
    this.lastState = [kind, text];
  }

  heard(view, first, message, jpeg) {
    if (message.kind === "frame") view.heard(message, jpeg);
    else if (message.kind === "event") this.events.heard(message.event);
    else if (message.kind === "notice") this.events.notice(message);
    else if (!first) return;
    else if (message.kind === "status") this.figures.heard(message);
    else if (message.kind === "limits") this.classes.heard(message.limits);
  }

  saw(frame) {
    const found = frame.detections ?? [];
    this.classes.saw(found);
    if (frame.counts?.length) this.counts.set(frame.camera ?? "", frame.counts);
    this.showCounts();
    if (frame.trails?.length) this.use("trails");
    if (found.some((item) => item.keypoints)) this.use("points");
    if (found.some((item) => item.mask)) this.use("masks");
  }

  /** The cameras whose pictures are here. */
  shown() {
    return this.chosen === ALL ? this.about.cameras : [this.chosen];
  }

  showCounts() {
    this.countTable.show(this.shown(), this.counts);
  }

  /* ---- what is shown ---- */

  colourOf(item) {
    const known = this.about?.colours?.[item.label];
    if (/^#[0-9a-f]{6}$/i.test(known ?? "")) return known;
    return isNumber(item.class) ? classColour(item.class) : "#9aa4b2";
  }

  look(camera) {
    return { layers: this.choices.layers, hidden: this.choices.hidden, colourOf: (item) => this.colourOf(item), places: camera.places ?? [] };
  }

  showTabs() {
    const cameras = this.about.cameras;
    const row = byId("cameras");
    row.hidden = cameras.length < 2;
    const tab = (text, choice) => make("button", {
      type: "button", class: "tab", "aria-pressed": String(this.chosen === choice), text, on: { click: () => this.choose(choice) },
    });
    row.replaceChildren(...(cameras.length > 1 ? [tab("All", ALL), ...cameras.map((camera, place) => tab(camera.name || `Camera ${place + 1}`, camera))] : []));
    if (cameras.some((camera) => camera.places?.length)) this.use("places");
  }

  choose(choice) {
    if (this.chosen === choice) return;
    this.chosen = choice;
    const names = [ALL, ...this.about.cameras];
    [...byId("cameras").children].forEach((tab, place) => tab.setAttribute("aria-pressed", String(names[place] === choice)));
    this.connect();
  }

  nextCamera() {
    if (!this.about || this.about.cameras.length < 2) return;
    const all = [ALL, ...this.about.cameras];
    this.choose(all[(all.indexOf(this.chosen) + 1) % all.length]);
  }

  /** Cameras beyond the streams that a browser holds at once: a still each, one after another. */
  stills() {
    const stills = this.views.filter((view) => view instanceof StillView);
    if (!stills.length) return;
    let turn = 0;
    const next = () => {
      if (!document.hidden) stills[turn % stills.length].again();
      turn += 1;
      this.asking = setTimeout(next, turn < stills.length ? 100 : STILL_MS / stills.length);
    };
    next();
  }

  layers() {
    this.layerButtons = new Map();
    for (const { key, name, shortcut, always } of LAYERS) {
      const toggle = { click: () => this.choices.toggle(key) };
      const button = make("button",
        { type: "button", class: "chip", text: name, title: `${name} (${shortcut})`, hidden: !always, "data-layer": key, on: toggle });
      this.layerButtons.set(key, button);
      byId("layers").append(button);
    }
  }

  /** A layer gets its button once there is something to show on it. */
  use(layer) {
    if (this.used.has(layer)) return;
    this.used.add(layer);
    this.layerButtons.get(layer).hidden = false;
  }

  showChoices() {
    for (const [key, button] of this.layerButtons) button.setAttribute("aria-pressed", String(this.choices.layers[key]));
    byId("snapshot-drawn").checked = this.choices.drawn;
    this.showTheme();
    for (const view of this.views) view.redraw();
  }

  showTheme() {
    const { theme } = this.choices;
    const dark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const button = byId("theme");
    if (!button.firstChild) button.append(icon(theme));
    swapIcon(button, theme);
    const told = { auto: "Colours: as the system has them", light: "Colours: light", dark: "Colours: dark" }[theme];
    button.setAttribute("aria-label", told);
    button.title = told;
    this.figures.draw();
  }

  /* ---- what the buttons do ---- */

  buttons() {
    byId("pause").addEventListener("click", () => this.pauseAll(!this.paused));
    byId("snapshot").addEventListener("click", () => this.snapshot());
    byId("snapshot-drawn").addEventListener("change", (event) => { this.choices.drawn = event.target.checked; this.choices.changed(); });
    byId("full").addEventListener("click", () => this.fullScreen());
    byId("theme").addEventListener("click", () => {
      const themes = ["auto", "light", "dark"];
      this.choices.theme = themes[(themes.indexOf(this.choices.theme) + 1) % themes.length];
      this.choices.changed();
    });
    byId("help-open").addEventListener("click", () => this.help());
    for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
    showKeys(byId("keys"));
    listenToKeys({
      " ": () => this.pauseAll(!this.paused), s: () => this.snapshot(), c: () => this.nextCamera(), f: () => this.fullScreen(), "?": () => this.help(),
      ...Object.fromEntries(LAYERS.map(({ key, shortcut }) => [shortcut, () => this.choices.toggle(key)])),
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.showTheme());
    document.addEventListener("visibilitychange", () => this.visible());
  }

  /** A page that nobody looks at needs no stream. */
  visible() {
    clearTimeout(this.leaving);
    if (!document.hidden) {
      for (const connection of this.connections) connection.open();
      return;
    }
    this.leaving = setTimeout(() => {
      for (const connection of this.connections) connection.close();
      this.again = true;
    }, HIDDEN_MS);
  }

  pauseAll(paused) {
    this.paused = paused;
    for (const view of this.views) view.pause(paused);
    const button = byId("pause");
    swapIcon(button, paused ? "play" : "pause");
    setText(button.lastElementChild, paused ? "Go on" : "Pause");
    if (this.lastState) this.state(...this.lastState);
  }

  /** A picture of each camera that is shown. */
  async snapshot() {
    if (!this.about) return;
    for (const { name: camera } of this.shown()) {
      try {
        const drawn = this.choices.drawn ? "&drawn=1" : "";
        const response = await fetch(`/snapshot.jpg?camera=${encodeURIComponent(camera)}${drawn}`, { cache: "no-store" });
        if (!response.ok) throw new Error(await errorOf(response));
        const name = `edgecnn_${camera ? `${camera.replace(/[^\w-]+/g, "-")}_` : ""}${stamp()}.jpg`;
        download(await response.blob(), name);
        toast(`Saved ${name}`);
      } catch (error) {
        toast(`No snapshot: ${error.message}`);
      }
    }
  }

  async postLimit(label, score) {
    try {
      const response = await fetch("/limits", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ label, score }) });
      if (!response.ok) throw new Error(await errorOf(response));
    } catch (error) {
      toast(`The threshold was not moved: ${error.message}`);
      this.classes.refused();
    }
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else byId("screens").requestFullscreen?.().catch(() => toast("This browser has no full screen here"));
  }

  help() {
    byId("help").showModal();
  }
}

new Page().start();
