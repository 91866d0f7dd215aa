/* Small helpers. Names and labels come from models and files: they only ever become text. */

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element: `settings` are attributes, and `text`, `on` (event → function). */
function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [kind, does] of Object.entries(value)) element.addEventListener(kind, does);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  picture.append(use);
  return picture;
}

/** A round button with a picture alone, and a name for who does not see it. */
function iconButton(picture, label, click, settings = {}) {
  return make("button", { type: "button", class: "round", "aria-label": label, title: label, ...settings, on: { click } }, icon(picture));
}

/** A button that looks like a link. */
function linkButton(text, click) {
  return make("button", { type: "button", class: "link", text, on: { click } });
}

function swapIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#i-${name}`);
}

/** Sets a text only where it differs: the page is not laid out anew for nothing. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function fixed(value, digits) {
  return isNumber(value) ? value.toFixed(digits) : "–";
}

/** Milliseconds with about three digits. */
function milliseconds(value) {
  if (!isNumber(value)) return "–";
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value).toString();
}

/** A whole number with its thousands apart. */
function whole(value) {
  return isNumber(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

function percent(score) {
  return `${Math.round(score * 100)}%`;
}

function bytes(count) {
  if (!isNumber(count)) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration in words; number and unit stay on one line. */
function seconds(value) {
  if (!isNumber(value)) return "–";
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes}\u00a0min ${Math.round(value % 60)}\u00a0s`;
  return `${Math.floor(minutes / 60)}\u00a0h ${minutes % 60}\u00a0min`;
}

/** Minutes and seconds of a player. */
function position(value) {
  const all = Math.max(0, Math.floor(value));
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
}

const two = (value) => String(value).padStart(2, "0");

/** The clock time here of an ISO time, with the date where that is not today's. */
function clock(iso) {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return "";
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  const today = new Date().toDateString() === moment.toDateString();
  return today ? time : `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}

/** For file names: 2026-11-22T07-41-18, here. */
function stamp(moment = new Date()) {
  const date = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return `${date}T${two(moment.getHours())}-${two(moment.getMinutes())}-${two(moment.getSeconds())}`;
}

function debounced(milliseconds, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}

const pause = (milliseconds, signal) => new Promise((done) => {
  const timer = setTimeout(done, milliseconds);
  if (signal) signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

/** A line for some seconds at the lower edge. */
function toast(text) {
  const line = make("p", { class: "toast", text });
  byId("toasts").append(line);
  setTimeout(() => line.remove(), 4500);
}

/** What the server said was wrong, in a line. */
async function errorOf(response) {
  try {
    const told = await response.json();
    if (typeof told.error === "string") return told.error;
  } catch { /* not JSON: the number has to do */ }
  return `the server answered ${response.status}`;
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard but the old one.
    const field = make("textarea", { class: "sprite" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("Copied");
}
