/* Small plots of the last minutes, on canvases of their own. */

const STAGE_ORDER = ["capture", "preprocess", "infer", "decode", "track", "draw", "write"];

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A canvas's drawing context in CSS pixels, at the screen's own resolution; null: it has no size. */
function fitted(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return null;
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A line of values, the newest at the right; unknown values are gaps. */
function drawSparkline(canvas, values, span, colour) {
  const fit = fitted(canvas);
  if (!fit) return;
  const { context, width, height } = fit;
  const known = values.filter(isNumber);
  if (known.length < 5) return;
  let [low, high] = [Math.min(...known), Math.max(...known)];
  // A quiet value is a quiet line, not noise at full height.
  const least = Math.max(0.2 * Math.abs(high), 1e-6);
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const x = (k) => width - 1.5 - (values.length - 1 - k) * (width - 3) / (span - 1);
  const y = (value) => 2 + (height - 4) * (1 - (value - low) / (high - low));
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  context.strokeStyle = colour;
  context.beginPath();
  let drawing = false;
  values.forEach((value, k) => {
    if (!isNumber(value)) drawing = false;
    else if (drawing) context.lineTo(x(k), y(value));
    else { context.moveTo(x(k), y(value)); drawing = true; }
  });
  context.stroke();
}

/** A round number at or above a value. */
function roundAbove(value) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * ten).find((step) => step >= value - 1e-9);
}

/** Stages stacked over time, with a scale, and values where the pointer is. A row is a second. */
class StagePlot {
  constructor(root, legend, when) {
    this.root = root;
    this.legend = legend;
    this.when = when;
    this.canvas = make("canvas", { role: "img", "aria-label": "Time per frame by stage" });
    root.append(this.canvas);
    this.rows = [];
    this.at = null;
    this.canvas.addEventListener("pointermove", (event) => {
      this.at = event.offsetX;
      this.draw();
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.at = null;
      this.draw();
    });
  }

  /** `rows`: one object of stage → milliseconds (or null) a second, the newest last. */
  show(rows, span) {
    this.rows = rows;
    this.span = span;
    const names = new Set(rows.flatMap((row) => Object.keys(row ?? {})));
    this.stages = [...STAGE_ORDER.filter((name) => names.has(name)), ...[...names].filter((name) => !STAGE_ORDER.includes(name))];
    this.draw();
  }

  colour(name) {
    const known = STAGE_ORDER.indexOf(name);
    return cssColour(`--stage-${known < 0 ? 8 : known + 1}`);
  }

  draw() {
    const fit = fitted(this.canvas);
    if (!fit || !this.stages) return;
    const { context, width, height } = fit;
    const [left, bottom, top] = [34, 18, 6];
    const [wide, high] = [width - left - 2, height - bottom - top];
    const sum = (row) => this.stages.reduce((all, name) => all + (row?.[name] ?? 0), 0);
    const most = roundAbove(Math.max(1e-3, ...this.rows.map(sum)) * 1.05);
    const x = (k) => left + wide - (this.rows.length - 1 - k) * wide / (this.span - 1);
    const y = (value) => top + high * (1 - value / most);
    this.scale(context, { left, wide, top, high, most, y });
    const base = this.rows.map(() => 0);
    for (const name of this.stages) {
      const above = this.rows.map((row, k) => base[k] + (row?.[name] ?? 0));
      context.beginPath();
      above.forEach((value, k) => (k ? context.lineTo(x(k), y(value)) : context.moveTo(x(k), y(value))));
      for (let k = base.length - 1; k >= 0; k -= 1) context.lineTo(x(k), y(base[k]));
      context.closePath();
      context.fillStyle = this.colour(name);
      context.fill();
      above.forEach((value, k) => { base[k] = value; });
    }
    this.tell(this.pointed(context, { left, wide, top, high, x }));
  }

  scale(context, { left, wide, top, high, most, y }) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = cssColour("--muted");
    context.strokeStyle = cssColour("--line");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const share of [0, 0.5, 1]) {
      const line = Math.round(y(most * share)) + 0.5;
      context.beginPath();
      context.moveTo(left, line);
      context.lineTo(left + wide, line);
      context.stroke();
      context.fillText(+(most * share).toPrecision(3), left - 6, line);
    }
    context.textBaseline = "top";
    const thirds = this.span > 60 ? ["−3 min", "−2 min", "−1 min", "now"] : ["−60 s", "−40 s", "−20 s", "now"];
    thirds.forEach((text, k) => {
      context.textAlign = ["left", "center", "center", "right"][k];
      context.fillText(text, left + wide * k / 3, top + high + 5);
    });
    context.textAlign = "left";
  }

  /** Marks the second under the pointer; returns its number, or the newest. */
  pointed(context, { left, wide, top, high, x }) {
    const last = this.rows.length - 1;
    if (this.at === null || last < 0) return last;
    const k = last - Math.round((left + wide - this.at) * (this.span - 1) / wide);
    if (k < 0 || k > last) return last;
    context.strokeStyle = cssColour("--ink");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x(k), top);
    context.lineTo(x(k), top + high);
    context.stroke();
    context.setLineDash([]);
    return k;
  }

  /** The values of a second, in the legend. */
  tell(k) {
    const [row, ago] = [this.rows[k] ?? {}, this.rows.length - 1 - k];
    setText(this.when, this.at !== null && ago > 0 ? `${ago} s ago` : this.at !== null ? "now" : this.span > 60 ? "the last 3 minutes" : "the last minute");
    while (this.legend.children.length > this.stages.length) this.legend.lastChild.remove();
    this.stages.forEach((name, place) => {
      let line = this.legend.children[place];
      if (!line) {
        line = make("li", {}, make("i", { class: "swatch" }), make("span"), make("b"));
        this.legend.append(line);
      }
      const [swatch, label, value] = line.children;
      swatch.style.background = this.colour(name);
      setText(label, name);
      setText(value, milliseconds(row[name]));
    });
    const told = this.stages.map((name) => `${name} ${milliseconds(row[name])} ms`).join(", ");
    this.canvas.setAttribute("aria-label", `Time per frame by stage: ${told}`);
  }
}
