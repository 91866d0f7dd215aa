/* Thresholds, which are the loop's, and which classes are drawn, which is each viewer's own. */

const FEW_CLASSES = 12;
const ROWS_AT_ONCE = 60;
const OWN_MOVE_MS = 1000;

class Classes {
  constructor(root, choices, colourOf, post) {
    this.choices = choices;
    this.colourOf = colourOf;
    this.post = post;
    this.limits = Object.create(null);
    this.told = {};
    this.start = {};
    this.labels = [];
    this.seen = new Set();
    this.rows = new Map();
    this.moved = new Map();
    this.everything = false;
    this.shownCount = ROWS_AT_ONCE;
    this.asking = new Map();
    this.build(root);
    choices.listeners.push(() => this.ticks());
  }

  build(root) {
    this.all = this.slider("All classes", (score) => this.move(null, score));
    this.all.row.classList.add("all");
    this.search = make("input", {
      type: "search", placeholder: "Find a class", "aria-label": "Find a class", autocomplete: "off", spellcheck: "false",
      on: { input: () => { this.shownCount = ROWS_AT_ONCE; this.arrange(); } },
    });
    this.list = make("ul", { class: "sliders" });
    this.more = linkButton("", () => this.showMore());
    this.hint = make("p", { class: "hint" });
    this.command = make("code", { id: "threshold-option" });
    const copy = iconButton("copy", "Copy the options", () => copyText(this.command.textContent));
    this.keep = make("div", { class: "keep", hidden: true },
      make("p", { class: "muted", text: "Moved until the loop ends. To keep it:" }),
      make("div", { class: "command" }, this.command, copy));
    this.note = make("p", { class: "hint" });
    this.allList = make("ul", { class: "sliders" }, this.all.row);
    this.found = make("span", { class: "muted" });
    root.append(
      make("div", { class: "head" }, make("h2", { id: "classes-title", text: "Classes" }), this.found), this.allList,
      this.search, this.list, this.hint, this.more, this.keep, this.note);
  }

  about(about) {
    this.labels = about.labels ?? [];
    // Without a prototype: a class may be called __proto__.
    [this.limits, this.told, this.seen, this.moved] = [Object.create(null), {}, new Set(), new Map()];
    this.start = about.limits_at_start ?? { ...about.limits };
    this.controls = about.controls === true;
    this.rows = new Map();
    this.rank = new Map(this.labels.map((label, place) => [label, place]));
    this.search.hidden = this.labels.length <= FEW_CLASSES;
    this.all.range.disabled = !this.controls;
    this.allList.hidden = this.labels.length < 2;
    this.note.textContent = this.controls ? "Thresholds hold for everybody and everything; the ticks only say what is drawn here."
      : "Thresholds cannot be moved here; the ticks only say what is drawn here.";
    setText(this.found, `${whole(this.labels.length)} ${this.labels.length === 1 ? "class" : "classes"}`);
    this.heard(about.limits ?? {});
    this.arrange();
  }

  /** Limits as the loop has them now, whoever moved them. A slider that is being moved here is left
   *  alone for a moment, and then follows the loop again. */
  heard(limits) {
    this.told = limits;
    const now = performance.now();
    const movedAt = (label) => Math.max(this.moved.get(label) ?? -Infinity, this.moved.get(null) ?? -Infinity);
    let waiting = false;
    for (const [label, limit] of Object.entries(limits)) {
      if (now - movedAt(label) < OWN_MOVE_MS) {
        waiting = true;
        continue;
      }
      this.limits[label] = limit;
      this.place(this.rows.get(label), limit);
    }
    clearTimeout(this.later);
    if (waiting) this.later = setTimeout(() => this.heard(this.told), OWN_MOVE_MS / 2);
    this.showAll();
    this.showOption();
  }

  /** What was moved here was refused: the sliders go back. */
  refused() {
    this.moved.clear();
    this.heard(this.told);
  }

  /** Labels of a frame: what was seen stands first, in the order in which it came. */
  saw(detections) {
    let more = false;
    for (const { label } of detections) {
      if (this.seen.has(label) || !this.rank.has(label)) continue;
      this.seen.add(label);
      more = true;
    }
    if (more && this.labels.length > FEW_CLASSES) this.arrange();
  }

  slider(label, moves, colour = null) {
    const range = make("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Threshold of ${label}` });
    const value = make("output", { text: "–" });
    const tick = colour === null ? null : make("input", { type: "checkbox", "aria-label": `Draw ${label}`, title: "Draw it here" });
    const swatch = colour === null ? null : make("i", { class: "swatch", "aria-hidden": "true" });
    if (swatch) swatch.style.background = colour;
    const row = make("li", {}, make("label", { class: "who", title: label }, tick, swatch, make("span", { text: label })), range, value);
    range.addEventListener("input", () => {
      setText(value, Number(range.value).toFixed(2));
      this.fill(range);
      moves(Number(range.value));
    });
    return { row, range, value, tick };
  }

  /** How far a slider is filled, for its looks. */
  fill(range) {
    range.style.setProperty("--part", `${100 * range.value}%`);
  }

  place(slider, limit) {
    if (!slider || !isNumber(limit)) return;
    slider.range.value = limit;
    setText(slider.value, limit.toFixed(2));
    this.fill(slider.range);
  }

  rowOf(label) {
    let slider = this.rows.get(label);
    if (!slider) {
      slider = this.slider(label, (score) => this.move(label, score), this.colourOf({ label }));
      slider.tick.checked = !this.choices.hidden.has(label);
      slider.tick.addEventListener("change", () => this.choices.show(label, slider.tick.checked));
      slider.range.disabled = !this.controls;
      slider.row.dataset.label = label;
      this.place(slider, this.limits[label]);
      this.rows.set(label, slider);
    }
    return slider.row;
  }

  move(label, score) {
    this.moved.set(label, performance.now());
    for (const name of label === null ? this.labels : [label]) {
      this.limits[name] = score;
      if (label === null) this.place(this.rows.get(name), score);
    }
    if (label !== null) this.showAll();
    this.showOption();
    if (!this.asking.has(label)) this.asking.set(label, debounced(120, (asked) => this.post(label, asked)));
    this.asking.get(label)(score);
  }

  /** The slider of all stands where all do; where they differ it says so. */
  showAll() {
    const known = this.labels.map((label) => this.limits[label]).filter(isNumber);
    // A limit of 1 is that of a class that the command line left out.
    const wanted = known.filter((limit) => limit < 1);
    const values = wanted.length ? wanted : known;
    if (!values.length) return;
    const same = values.every((value) => Math.abs(value - values[0]) < 0.005);
    this.place(this.all, same ? values[0] : values.reduce((sum, value) => sum + value, 0) / values.length);
    if (!same) setText(this.all.value, "mixed");
    this.all.row.classList.toggle("mixed", !same);
  }

  ticks() {
    for (const [label, slider] of this.rows) slider.tick.checked = !this.choices.hidden.has(label);
  }

  showMore() {
    if (this.everything) this.shownCount += 4 * ROWS_AT_ONCE;
    this.everything = true;
    this.arrange();
  }

  arrange() {
    const wanted = this.search.value.trim().toLowerCase();
    const few = this.labels.length <= FEW_CLASSES;
    const seen = few ? [] : [...this.seen];
    const rest = this.labels.filter((label) => few || !this.seen.has(label));
    const hidden = rest.filter((label) => this.choices.hidden.has(label));
    const all = wanted || few || this.everything ? [...seen, ...rest] : [...seen, ...hidden];
    const found = wanted ? all.filter((label) => label.toLowerCase().includes(wanted)) : all;
    const rows = found.slice(0, this.shownCount).map((label) => this.rowOf(label));
    // What stands there already stays: a slider that is held is not let go of.
    rows.forEach((row, place) => { if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null); });
    while (this.list.children.length > rows.length) this.list.lastChild.remove();
    const left = (wanted ? found.length : this.labels.length) - rows.length;
    this.more.hidden = few || left <= 0;
    this.more.textContent = wanted || this.everything ? `Show ${whole(left)} more` : `Show all ${whole(this.labels.length)} classes`;
    this.hint.hidden = rows.length > 0;
    this.hint.textContent = wanted ? "No class has that in its name." : "Classes stand here once they were seen.";
  }

  showOption() {
    const options = thresholdOptions(this.start, this.limits);
    this.keep.hidden = options === "";
    setText(this.command, options);
  }
}

/** The options of the command line that would give these limits. */
function thresholdOptions(start, limits) {
  // What the command line left out has a limit of 1 and keeps it.
  const labels = Object.keys(limits).filter((label) => isNumber(limits[label]) && !(start[label] >= 1 && limits[label] >= 1));
  const differs = (one, other) => !isNumber(one) || Math.abs(one - other) >= 0.005;
  const moved = labels.filter((label) => differs(start[label], limits[label]));
  const short = (value) => String(Math.round(value * 100) / 100);
  const counts = new Map();
  for (const label of labels) counts.set(short(limits[label]), (counts.get(short(limits[label])) ?? 0) + 1);
  const [common, times] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), ["", 0]);
  // Most stand at one value, and most were moved there: one option for all, others for the rest.
  const forAll = labels.length > 1 && times * 2 > labels.length && moved.length * 2 > labels.length;
  const apart = forAll ? labels.filter((label) => short(limits[label]) !== common) : moved;
  const words = apart.map((label) => `--threshold ${quoted(`${label}=${short(limits[label])}`)}`);
  return (forAll ? [`--threshold ${common}`, ...words] : words).join(" ");
}

/** A word as a shell takes it. */
function quoted(word) {
  return /^[\w=.,:/@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
