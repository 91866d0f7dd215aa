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
    const heads = [["Metric", ""], ["Value", "num"], ["Images", "num"]].map(([text, kind]) => make("th", { scope: "col", class: kind, text }));
    parts.push(make("h3", { text: "Measured" }), make("table", {}, make("thead", {}, make("tr", {}, ...heads)),
      make("tbody", {}, ...measured.map(measuredRow))));
  }
  if (card.lines?.length) parts.push(make("ul", { class: "lines" }, ...card.lines.map((text) => make("li", { text }))));
  byId("card-body").replaceChildren(...parts);
}

function measuredRow(row) {
  const name = [row.metric, row.variant].filter(Boolean).join(", ");
  const value = row.value <= 1 ? `${(100 * row.value).toFixed(1)} %` : fixed(row.value, 3);
  return make("tr", {}, make("th", { scope: "row", text: name }),
    ...[value, whole(row.n)].map((text) => make("td", { class: "num", text })));
}
