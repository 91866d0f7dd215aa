/* The last events, the newest first, in words. */

const EVENTS_SHOWN = 50;

class Events {
  constructor(root, colourOf) {
    this.root = root;
    this.colourOf = colourOf;
    this.list = make("ol", { class: "log", tabindex: "0", "aria-label": "Events" });
    this.empty = make("p", { class: "hint", text: "Nothing has happened yet." });
    root.append(make("div", { class: "head" }, make("h2", { id: "events-title", text: "Events" })), this.empty, this.list);
    this.known = new Set();
    this.several = false;
    this.recordings = false;
    this.play = null;
  }

  about(about) {
    this.several = about.cameras.length > 1;
    this.recordings = about.recordings === true;
  }

  heard(event) {
    const key = `${event.camera ?? ""}|${event.run}|${event.number}`;
    if (this.known.has(key)) return;
    this.known.add(key);
    const words = eventWords(event);
    const what = make("span", { class: "what" }, words);
    if (this.several && event.camera) what.append(make("span", { class: "tag", text: event.camera }));
    if (this.recordings) for (const name of [event.clip, event.snapshot]) if (name) what.append(this.link(name));
    this.add(event.time, what, event.label ? this.colourOf({ label: event.label }) : null);
  }

  notice(notice) {
    const key = `${notice.time}|${notice.text}`;
    if (this.known.has(key) || this.said(notice.text)) return;
    this.known.add(key);
    this.add(notice.time, make("span", { class: "what", text: notice.text }), null);
  }

  /** Whether an event has said just that already. */
  said(text) {
    return [...this.list.children].slice(0, 5).some((line) => line.dataset.text === text);
  }

  link(name) {
    const film = name.endsWith(".mkv");
    return linkButton(film ? "play" : "picture", () => this.play(name));
  }

  add(time, what, colour) {
    const mark = make("i", { class: `dot ${colour ? "" : "plain"}`, "aria-hidden": "true" });
    if (colour) mark.style.background = colour;
    const line = make("li", {}, mark, make("time", { datetime: time, title: time, text: clock(time) }), what);
    line.dataset.text = what.textContent;
    line.dataset.time = time;
    // Several streams tell of them: each in its place.
    const after = [...this.list.children].find((other) => other.dataset.time <= time);
    this.list.insertBefore(line, after ?? null);
    while (this.list.children.length > EVENTS_SHOWN) this.list.lastChild.remove();
    if (this.known.size > 5000) this.known.delete(this.known.values().next().value);
    this.empty.hidden = true;
  }
}

/** An event as a sentence. */
function eventWords(event) {
  const who = event.label ? (isNumber(event.track) ? `${event.label} #${event.track}` : event.label) : "something";
  const where = event.region ? ` in ${event.region}` : "";
  if (event.line) return `${who} crossed ${event.line}${event.direction ? `, ${event.direction}` : ""}`;
  if (event.zone && event.direction) return `${who} ${event.direction === "in" ? "entered" : "exited"} ${event.zone}`;
  if (event.event === "appeared") return `${who} appeared${where}${isNumber(event.score) ? `, ${percent(event.score)}` : ""}`;
  if (event.event === "left") return `${who} left${where}${isNumber(event.seconds) ? ` after ${seconds(event.seconds)}` : ""}`;
  if (event.event === "started") return `started: ${event.source}`;
  if (event.event === "ended") return endText(event.text);
  return event.text || (event.event ?? "").replaceAll("_", " ");
}
