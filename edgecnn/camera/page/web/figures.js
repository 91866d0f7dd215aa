/* How it runs: rate, age, what was dropped, stages, temperature. */

/* Seconds that are kept, and that are shown until there are more. */
const HISTORY = 180;
const BEGINNING = 60;

class Figures {
  constructor(tiles, plot, legend, when) {
    this.tiles = tiles;
    this.plot = new StagePlot(plot, legend, when);
    this.history = [];
    this.camera = null;
    this.shown = new Map();
    new ResizeObserver(() => this.draw()).observe(tiles);
  }

  about(about) {
    this.several = about.cameras.length > 1;
    this.history = (about.history ?? []).slice(-HISTORY);
    this.draw();
  }

  /** Which camera's figures; null: those of all together. */
  choose(camera) {
    this.camera = camera;
    this.draw();
  }

  heard(status) {
    if (this.history.at(-1)?.time === status.time) return;
    this.history.push(status);
    if (this.history.length > HISTORY) this.history.shift();
    this.draw();
  }

  get span() {
    return this.history.length > BEGINNING ? HISTORY : BEGINNING;
  }

  of(status) {
    const cameras = status?.cameras ?? {};
    const all = Object.values(cameras);
    if (this.camera !== null || all.length < 2) return cameras[this.camera ?? ""] ?? all[0] ?? {};
    return together(all);
  }

  draw() {
    const now = this.history.at(-1);
    const mine = this.of(now);
    const age = mine.age_ms ?? {};
    const lost = [[mine.corrupt, "damaged"], [mine.reconnects, mine.reconnects === 1 ? "reconnect" : "reconnects"]]
      .filter(([count]) => count > 0).map(([count, word]) => `${whole(count)} ${word}`).join(", ");
    this.tile("fps", "Rate", fixed(mine.fps, 1), "FPS", mine.cameras ? `of ${mine.cameras} cameras` : `${whole(mine.frames)} frames`, (status) => this.of(status).fps);
    this.tile("age", "Frame age", milliseconds(age.p50), "ms", `95 %: ${milliseconds(age.p95)} ms`, (status) => this.of(status).age_ms?.p50);
    const all = (mine.frames ?? 0) + (mine.dropped ?? 0);
    this.tile("dropped", "Dropped", whole(mine.dropped), "", lost || (all ? `${(100 * mine.dropped / all).toFixed(1)}\u00a0% of all` : ""));
    this.tile("viewers", "Viewers", whole(now?.viewers), "", now?.viewers === 1 ? "you alone" : this.several ? "a picture each" : "with you");
    const hot = now?.throttled ?? [];
    if (isNumber(now?.temperature_c) || hot.length) {
      this.tile("heat", "Temperature", fixed(now.temperature_c, 1), "°C", hot.length ? `throttled: ${hot.join(", ")}` : "not throttled",
        (status) => status.temperature_c, hot.length > 0);
    }
    if (isNumber(now?.load)) this.tile("load", "Load", fixed(now.load, 2), "", "over a minute", (status) => status.load);
    if (isNumber(now?.memory_mb)) this.tile("memory", "Memory", whole(now.memory_mb), "MB", "of the program", (status) => status.memory_mb);
    this.plot.show(this.history.map((status) => this.of(status).stage_ms ?? null), this.span);
  }

  tile(key, name, value, unit, note, series, warn = false) {
    let tile = this.shown.get(key);
    if (!tile) {
      const root = make("div", { class: "tile", "data-figure": key });
      const [note, line] = [make("span", { class: "muted note" }), series ? make("canvas", { "aria-hidden": "true" }) : null];
      tile = { root, value: make("b"), unit: make("small"), note, line };
      root.append(make("span", { class: "muted", text: name }), make("p", {}, tile.value, " ", tile.unit), tile.note);
      if (tile.line) root.append(tile.line);
      this.tiles.append(root);
      this.shown.set(key, tile);
    }
    setText(tile.value, value);
    setText(tile.unit, unit);
    setText(tile.note, note);
    tile.note.title = note;
    tile.root.classList.toggle("warn", warn);
    if (tile.line) drawSparkline(tile.line, this.history.map(series), this.span, cssColour(warn ? "--bad" : "--accent"));
  }
}

/** Figures of several cameras as one: rates and losses added up, the oldest frames, the mean of stages. */
function together(all) {
  const sum = (key) => all.reduce((whole, one) => whole + (one[key] ?? 0), 0);
  const most = (key) => all.map((one) => one.age_ms?.[key]).filter(isNumber).reduce((best, value) => Math.max(best ?? 0, value), null);
  const stages = {};
  for (const name of new Set(all.flatMap((one) => Object.keys(one.stage_ms ?? {})))) {
    const known = all.map((one) => one.stage_ms?.[name]).filter(isNumber);
    stages[name] = known.length ? known.reduce((whole, value) => whole + value, 0) / known.length : null;
  }
  const counts = Object.fromEntries(["fps", "frames", "dropped", "corrupt", "reconnects"].map((key) => [key, sum(key)]));
  return { ...counts, cameras: all.length, age_ms: { p50: most("p50"), p95: most("p95") }, stage_ms: stages };
}
