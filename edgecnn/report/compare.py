"""Several bundles side by side."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.report.markup import Html, el
from edgecnn.report.model import ReportData
from edgecnn.report.parts import section, table
from edgecnn.report.quality import verdict
from edgecnn.report.table import Row, summary_rows


def comparison(bundles: Sequence[ReportData]) -> Html:
    """One sentence a bundle, and the summary figures with a column for each bundle.

    Figures that no bundle has are left out.
    """
    columns: list[dict[str, Row]] = []
    for data in bundles:
        measured = data.measured
        rows = summary_rows(data, measured.name if measured else "int8")
        columns.append({row.what: row for row in rows if row.value is not None})
    names = dict.fromkeys(name for column in columns for name in column)
    # Accuracy of a classifier and mAP of a detector are different rows, and stay on top.
    order = sorted(names, key=lambda name: all(
        column[name].unit != "share" for column in columns if name in column
    ))  # fmt: skip
    cells = [
        [name, *(_cell(column.get(name)) for column in columns)]
        for name in order
    ]  # fmt: skip
    sentences = [
        el("li", el("a", data.name, href=f"#b{k}"), ": ", verdict(data)[1])
        for k, data in enumerate(bundles, 1)
    ]
    head = ["figure", *(f"{data.name}#" for data in bundles)]
    return el(
        "header",
        el("h1", f"{len(bundles)} models"),
        el("ul", sentences),
        section("comparison", "Side by side", table(head, cells)),
    )


def _cell(row: Row | None) -> Html:
    if row is None:
        return el("span", "–", class_="missing", title="not measured")
    return el("span", row.shown, el("small", row.note) if row.note else None)
