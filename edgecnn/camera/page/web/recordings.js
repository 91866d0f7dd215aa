/* The list of recordings, clips and snapshots. */

const RECORDINGS_SHOWN = 8;
const RECORDINGS_MS = 15000;

class Recordings {
  constructor(root, player) {
    this.root = root;
    this.player = player;
    this.files = [];
    this.shown = RECORDINGS_SHOWN;
    this.kind = "all";
    this.available = false;
    this.sum = make("span", { class: "muted" });
    this.again = iconButton("again", "Look again", () => this.load());
    this.kinds = make("div", { class: "tabs small", role: "group", "aria-label": "Kinds of recordings" });
    this.list = make("ul", { class: "files" });
    this.more = linkButton("", () => { this.shown += 40; this.draw(); });
    const [videos, clips, pictures] = ["--record DIR", "--clips DIR", "--snapshots DIR"].map((text) => make("code", { text }));
    this.hint = make("p", { class: "hint" }, "Records with ", videos, ", ", clips, " or ", pictures, ".");
    const title = make("h2", { id: "recordings-title", text: "Recordings" });
    root.append(make("div", { class: "head" }, title, this.sum, this.again), this.kinds, this.list, this.more, this.hint);
    setInterval(() => { if (this.available && !document.hidden) this.load(); }, RECORDINGS_MS);
  }

  about(about) {
    this.available = about.recordings === true;
    this.hint.hidden = this.available;
    this.again.hidden = !this.available;
    if (this.available) this.load();
    else this.draw();
  }

  async load() {
    try {
      const response = await fetch("/recordings", { cache: "no-store" });
      if (!response.ok) return;
      const files = await response.json();
      const now = JSON.stringify(files);
      if (now === this.last) return;
      this.last = now;
      this.files = files.sort((one, other) => (one.time < other.time ? 1 : one.time > other.time ? -1 : one.name < other.name ? 1 : -1));
      this.draw();
    } catch { /* the connection says itself that it is lost */ }
  }

  draw() {
    const count = this.files.length;
    setText(this.sum, count ? `${whole(count)} ${count === 1 ? "file" : "files"}, ${bytes(this.files.reduce((sum, file) => sum + file.bytes, 0))}` : "");
    this.drawKinds();
    const files = this.files.filter((file) => this.kind === "all" || file.kind === this.kind);
    this.list.classList.toggle("pictures", this.kind === "snapshot");
    this.list.replaceChildren(...files.slice(0, this.shown).map((file) => (this.kind === "snapshot" ? this.thumbnail(file) : this.line(file))));
    this.more.hidden = files.length <= this.shown;
    this.more.textContent = `Show ${whole(files.length - this.shown)} more`;
    if (this.available && !count) this.list.replaceChildren(make("li", { class: "hint", text: "Nothing is recorded yet." }));
  }

  drawKinds() {
    const kinds = ["recording", "clip", "snapshot"].filter((kind) => this.files.some((file) => file.kind === kind));
    if (this.kind !== "all" && !kinds.includes(this.kind)) this.kind = "all";
    this.kinds.hidden = kinds.length < 2;
    const focused = this.kinds.contains(document.activeElement) ? document.activeElement.dataset.kind : null;
    const choose = (kind) => {
      [this.kind, this.shown] = [kind, kind === "snapshot" ? 24 : RECORDINGS_SHOWN];
      this.draw();
    };
    this.kinds.replaceChildren(...["all", ...kinds].map((kind) => make("button", {
      type: "button", class: "tab", "aria-pressed": String(kind === this.kind), "data-kind": kind,
      text: kind === "all" ? "All" : `${kind[0].toUpperCase()}${kind.slice(1)}s`, on: { click: () => choose(kind) },
    })));
    for (const button of this.kinds.children) if (button.dataset.kind === focused) button.focus();
  }

  line(file) {
    const film = file.name.endsWith(".mkv");
    const does = film ? "Play" : "Show";
    const open = iconButton(film ? "play" : "camera", `${does} ${file.name}`, () => this.player.show(file.name), { title: does });
    const told = `${clock(file.time)} · ${bytes(file.bytes)}${file.open ? " · being written" : ""}`;
    const about = make("span", { class: "about" },
      make("span", { class: "name", text: file.name, title: file.name }), make("span", { class: "muted", text: told }));
    return make("li", {}, open, about, make("span", { class: "tag", text: file.kind }), this.save(file));
  }

  save(file) {
    const address = `/recordings/${encodeURIComponent(file.name)}`;
    return make("a", { class: "round", href: address, download: file.name, "aria-label": `Download ${file.name}`, title: "Download" }, icon("save"));
  }

  thumbnail(file) {
    const image = make("img", { src: `/recordings/${encodeURIComponent(file.name)}`, loading: "lazy", alt: "" });
    const show = { click: () => this.player.show(file.name) };
    return make("li", {}, make("button", { type: "button", class: "thumb", title: file.name, "aria-label": `Show ${file.name}`, on: show },
      image, make("span", { class: "muted", text: clock(file.time) })));
  }
}
