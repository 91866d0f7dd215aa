/* What this viewer wants to see, remembered by the browser. The loop knows nothing of it. */

const LAYERS = [
  { key: "boxes", name: "Boxes", shortcut: "b", always: true },
  { key: "labels", name: "Labels", shortcut: "l", always: true },
  { key: "trails", name: "Trails", shortcut: "t" },
  { key: "points", name: "Key points", shortcut: "k" },
  { key: "masks", name: "Masks", shortcut: "m" },
  { key: "places", name: "Lines", shortcut: "z" },
];

class Choices {
  constructor() {
    this.theme = "auto";
    this.drawn = false;
    this.layers = Object.fromEntries(LAYERS.map(({ key }) => [key, true]));
    this.hidden = new Set();
    this.listeners = [];
    this.load();
  }

  load() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem("edgecnn"));
    } catch { /* nothing can be kept here */ }
    if (kept === null || typeof kept !== "object") return;
    if (["auto", "light", "dark"].includes(kept.theme)) this.theme = kept.theme;
    this.drawn = kept.drawn === true;
    for (const { key } of LAYERS) if (kept.layers?.[key] === false) this.layers[key] = false;
    if (Array.isArray(kept.hidden)) this.hidden = new Set(kept.hidden.filter((label) => typeof label === "string"));
  }

  changed() {
    const { theme, drawn, layers } = this;
    try {
      localStorage.setItem("edgecnn", JSON.stringify({ theme, drawn, layers, hidden: [...this.hidden] }));
    } catch { /* for this visit alone, then */ }
    for (const listener of this.listeners) listener();
  }

  toggle(layer) {
    this.layers[layer] = !this.layers[layer];
    this.changed();
  }

  show(label, shown) {
    if (shown) this.hidden.delete(label);
    else this.hidden.add(label);
    this.changed();
  }
}
