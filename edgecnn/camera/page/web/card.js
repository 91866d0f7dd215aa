/* What the model is, folded away until it is asked for. */

const CARD_ROWS = [
  ["file", "File"], ["bytes", "Size", bytes], ["variant", "Variant"], ["runs_on", "Runs on"], ["input", "Input"],
  ["task", "Task"], ["classes", "Classes", whole], ["recognised", "Recognised as"], ["sha256", "SHA-256"],
];

function showCard(card) {
  card = card ?? {};
  setText(byId("model-name"), card.name ?? "");
  setText(byId("card-brief"), [card.name, card.task, card.input].filter(Boolean).join(" · "));
  const list = make("dl");
  for (const [key, name, told] of CARD_ROWS) {
    const value = card[key];
    if (value === null || value === undefined || value === "") continue;
    list.append(make("dt", { text: name }), make("dd", { class: key === "sha256" ? "code" : "", text: told ? told(value) : String(value) }));
  }
  const parts = [list];
  const measured = (card.accuracy ?? []).filter((row) => isNumber(row.value));
  if (measured.length) {
    parts.push(make("h3", { text: "Measured" }), make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "Metric" }), make("th", { scope: "col", class: "num", text: "Value" }), make("th", { scope: "col", class: "num", text: "Images" }))),
      make("tbody", {}, ...measured.map((row) => make("tr", {}, make("th", { scope: "row", text: [row.metric, row.variant].filter(Boolean).join(", ") }),
        make("td", { class: "num", text: row.value <= 1 ? `${(100 * row.value).toFixed(1)} %` : fixed(row.value, 3) }), make("td", { class: "num", text: whole(row.n) }))))));
  }
  if (card.lines?.length) parts.push(make("ul", { class: "lines" }, ...card.lines.map((text) => make("li", { text }))));
  byId("card-body").replaceChildren(...parts);
}
