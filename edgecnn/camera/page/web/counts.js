/* Lines and zones: how many went in and out, and are inside; by class on demand. */

class Counts {
  constructor(root) {
    this.root = root;
    this.since = make("span", { class: "muted" });
    this.body = make("tbody");
    this.table = make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "Line or zone" }),
        ...["In", "Out", "Inside"].map((text) => make("th", { scope: "col", class: "num", text })))),
      this.body);
    const [line, zone] = ["--line x1,y1,x2,y2", "--zone places.json"].map((text) => make("code", { text }));
    this.empty = make("p", { class: "hint" }, "Counts what passes with ", line, " or ", zone, ".");
    root.append(make("div", { class: "head" }, make("h2", { id: "counts-title", text: "Counts" }), this.since), this.table, this.empty);
    this.open = new Set();
    this.last = "";
    this.waits = false;
  }

  about(about) {
    this.since.textContent = about.counts_since ? `since ${clock(about.counts_since)}` : "";
  }

  /** Shows the places of these cameras; `counts`: by camera, of its newest frame. */
  show(cameras, counts) {
    this.rows = cameras.flatMap((camera) => {
      const known = new Map((counts.get(camera.name) ?? []).map((count) => [placeName(count), count]));
      const places = camera.places.filter((place) => !known.has(place.name));
      const rows = [...places.map((place) => ({ [place.kind]: place.name, in: 0, out: 0, inside: place.kind === "zone" ? 0 : null })), ...known.values()];
      return rows.map((row) => ({ ...row, camera: cameras.length > 1 ? camera.name : "" }));
    });
    // Frames come thirty times a second; people read slower.
    if (this.waits) return;
    this.waits = true;
    setTimeout(() => {
      this.waits = false;
      const now = JSON.stringify(this.rows);
      if (now === this.last) return;
      this.last = now;
      this.draw();
    }, 150);
  }

  draw() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.place : null;
    this.table.hidden = this.since.hidden = this.rows.length === 0;
    this.empty.hidden = this.rows.length > 0;
    this.body.replaceChildren(...this.rows.flatMap((row) => this.lines(row)));
    if (focused !== null) for (const button of this.body.querySelectorAll("button")) if (button.dataset.place === focused) button.focus();
  }

  lines(row) {
    const name = `${row.camera}/${placeName(row)}`;
    const open = this.open.has(name);
    const tag = row.camera ? make("span", { class: "tag", text: row.camera }) : null;
    const toggle = () => {
      if (open) this.open.delete(name);
      else this.open.add(name);
      this.draw();
    };
    const button = make("button",
      { type: "button", class: "opener", "aria-expanded": String(open), "data-place": name, title: "By class", on: { click: toggle } },
      icon("more"), icon(row.line !== undefined ? "line" : "zone"), make("span", { text: placeName(row) }), tag);
    const figure = (value) => make("td", { class: "num", text: value === null || value === undefined ? "" : whole(value) });
    const lines = [make("tr", { class: "place" }, make("th", { scope: "row" }, button), figure(row.in), figure(row.out), figure(row.inside))];
    if (!open) return lines;
    const [came, went] = [row.in_by_label ?? {}, row.out_by_label ?? {}];
    const labels = [...new Set([...Object.keys(came), ...Object.keys(went)])].sort();
    for (const label of labels) {
      const cells = [make("th", { scope: "row", text: label }), figure(came[label] ?? 0), figure(went[label] ?? 0), figure(null)];
      lines.push(make("tr", { class: "by-label" }, ...cells));
    }
    if (!labels.length) lines.push(make("tr", { class: "by-label" }, make("td", { colspan: 4, text: "nothing has passed yet" })));
    return lines;
  }
}
