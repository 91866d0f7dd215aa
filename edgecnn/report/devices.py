"""Sections on targets: the comparison, memory and steps, rejected ops."""

from __future__ import annotations

from edgecnn.report import svg
from edgecnn.report.markup import Html, el
from edgecnn.report.memory import MEMORY_SCHEMA, memory_map
from edgecnn.report.model import ReportData, TargetResult, dig, dig_list, dig_map
from edgecnn.report.parts import (
    badge,
    dash,
    figure,
    folded,
    missing,
    section,
    table,
    verdict_badge,
)
from edgecnn.report.text import (
    is_number,
    milliseconds,
    number,
    short,
    size,
    total,
    yes_no,
)

_MOST_STEPS = 20
_MOST_FINDINGS = 40
_LIMITS = {"ram": "ram_limit_bytes", "flash": "flash_limit_bytes"}


def devices(data: ReportData) -> Html:
    """The comparison of all targets, then what is worth a closer look."""
    tried = [row for row in data.targets if row.check or row.bench or row.memory]
    if not tried:
        return section("devices", "Devices", el("p", missing("no target was checked or measured")))
    ordered = sorted(tried, key=lambda row: (row.target != "host", row.bench is None))
    head = ["target", "variant", "speed#", "RAM#", "flash#", "ops there#", "bit-exact",
            "golden vector", "remarks"]  # fmt: skip
    rows = [
        [
            el("b", row.target),
            row.recipe,
            _speed(row),
            _sum_cell(row, "ram"),
            _sum_cell(row, "flash"),
            _mapped(row),
            _exact(row),
            _replayed(row),
            _remarks(row),
        ]
        for row in ordered
    ]
    caption = (
        "Instructions are counted, not timed. RAM is arena + static + stack, flash is code +"
        " weights. Estimates are named as such. –: not measured."
    )
    return section(
        "devices",
        "Devices",
        table(head, rows, caption=caption),
        [_closer(row) for row in ordered],
        [_findings(row) for row in ordered],
    )


def _speed(row: TargetResult) -> Html:
    unit = row.bench_value("unit")
    if unit == "ms" and is_number(row.bench_value("p50")):
        small = [
            f"{key} {milliseconds(row.bench_value(key))}"
            for key in ("p95", "first")
            if is_number(row.bench_value(key))
        ]
        small.append(f"n = {len(dig_list(row.bench, 'samples'))}")
        main = milliseconds(row.bench_value("p50"))
        return el("span", main, el("small", ", ".join(small)))
    count = row.bench_value("instructions")
    cycles = row.bench_value("cycles_estimate")
    if cycles is None:
        cycles = dig(row.check, "memory", "cycles_estimate")
    about = el("small", f"≈ {short(cycles)} cycles, estimate") if is_number(cycles) else None
    if is_number(count):
        tip = f"{count:,} instructions"
        return el("span", short(count), " instructions", about, title=tip)
    return el("span", about) if about else dash()


def _sum_cell(row: TargetResult, memory: str) -> Html:
    values = dig_map(row.bench, memory)
    whole = total(*values.values())
    tip = ", ".join(f"{_word(key)} {size(v)}" for key, v in values.items() if is_number(v))
    return el("span", size(whole) if whole is not None else dash(), title=tip or None)


def _word(key: str) -> str:
    return key.removesuffix("_bytes").replace("_", " ")


def _mapped(row: TargetResult) -> Html:
    mapped, ops = dig(row.check, "mapped"), dig(row.check, "total")
    if not (is_number(mapped) and is_number(ops)):
        return dash()
    tone = "ok" if mapped == ops else "warn" if mapped else "bad"
    return badge(f"{mapped} of {ops}", tone)


def _exact(row: TargetResult) -> Html:
    exact, worst = row.bench_value("bit_exact"), row.bench_value("max_diff_lsb")
    if exact is False and is_number(worst):
        return badge(f"no, {worst} LSB", "warn")
    return dash() if exact is None else verdict_badge(exact)


def _replayed(row: TargetResult) -> Html:
    if row.bench is None:
        return dash()
    if row.bench_value("replayed") is not True:
        ran = row.bench_value("bit_exact") is not None
        return badge("disagrees", "bad") if ran else badge("not replayed", "warn")
    equal = row.bench_value("decoded_equal")
    return badge("agrees", "ok") if equal is not False else badge("differs", "bad")


def _remarks(row: TargetResult) -> Html:
    lines = [badge(str(line), "warn") for line in dig_list(row.bench, "tainted")]
    facts = [
        f"{str(key).replace('_', ' ')} {value}"
        for key, value in dig_map(row.bench, "conditions").items()
        if isinstance(value, str) or is_number(value)
    ]
    if facts:
        lines.append(folded("conditions", el("small", " · ".join(facts))))
    fits = dig(row.check, "fits")
    if isinstance(fits, bool):
        lines.append(badge("fits" if fits else "does not fit", "ok" if fits else "bad"))
    notes = [*dig_list(row.check, "notes"), *dig_list(row.bench, "compile", "notes")]
    return el("div", lines, [el("small", note) for note in dict.fromkeys(map(str, notes))])


def _closer(row: TargetResult) -> Html | None:
    """Memory and steps of one target."""
    bars = [_memory_bar(row, memory) for memory in ("ram", "flash")]
    drawn = [bar for bar in bars if bar is not None]
    steps = _steps(row)
    memory, curve = _memory_map(row), _curve(row)
    if not drawn and steps is None and memory is None:
        return None
    return el(
        "div",
        el("h3", f"{row.target} · {row.recipe}"),
        el("div", el("div", drawn) if drawn else None, steps, class_="grid2"),
        memory,
        curve,
    )


_WAYS = {
    "pairs": "pairs of layers",
    "chains": "chains of layers",
    "thrifty": "steps on kernels that need less scratch memory",
}
"""Counts of a point on the curve."""


def _curve(row: TargetResult) -> Html | None:
    """What running layers row by row would save, and cost."""
    bars = []
    for point in dig_list(row.memory, "curve"):
        arena, factor = dig(point, "arena_bytes"), dig(point, "factor")
        if is_number(arena) and is_number(factor):
            counts = ((dig(point, key), what) for key, what in _WAYS.items())
            ways = [f"{count} {what}" for count, what in counts if is_number(count) and count]
            cost = f"{100 * (factor - 1):+.2f} % instructions" if ways else "whole layers"
            bars.append(svg.Bar(f"{arena:,}", arena, cost, ", ".join(ways)))
    if len(bars) < 2:
        return None
    name = f"{row.target}: memory against instructions"
    caption = "Each size is a --max-ram that fits; instructions are estimates."
    return figure(svg.bars(name, bars, "bytes of the arena", width=680), caption)


def _memory_map(row: TargetResult) -> Html | None:
    """Who holds which bytes of the arena, step by step."""
    if row.memory is None or dig(row.memory, "schema") != MEMORY_SCHEMA:
        return None
    caption = "Arena over time: one column per step, one block per tensor. Arrows: runs backwards."
    return figure(memory_map(row.memory), caption)


def _memory_bar(row: TargetResult, memory: str) -> Html | None:
    values = dig_map(row.bench, memory)
    if total(*values.values()) is None:
        return None
    parts = [
        svg.Bar(_word(key), value, size(value), tone=f"s{k % 4 + 1}")
        for k, (key, value) in enumerate(values.items())
    ]
    found = dig(row.check, "memory", _LIMITS[memory])
    limit = found if is_number(found) else None
    whole = size(total(*values.values()))
    name = "RAM" if memory == "ram" else "Flash"
    caption = f"{name}: {whole}" + (f" of {size(limit)}" if limit else "")
    return figure(svg.stack(f"{row.target}: {name}", parts, limit), caption)


def _steps(row: TargetResult) -> Html | None:
    unit = row.bench_value("unit")
    steps = [step for step in dig_list(row.bench, "per_step") if isinstance(step, dict)]
    key = unit if unit in ("instructions", "cycles") else "ms"
    known = [step for step in steps if is_number(step.get(key))]
    if not known:
        return None
    whole = sum(step[key] for step in known) or 1
    worst = sorted(known, key=lambda step: -step[key])[:_MOST_STEPS]
    bars = [
        svg.Bar(
            str(step.get("name")),
            step[key],
            f"{step[key] / whole * 100:.0f} %",
            f"{step.get('name')}: {number(step[key])} {key}, ops {step.get('ops')}",
        )
        for step in worst
    ]
    rest = len(known) - len(worst)
    caption = "Cost by step, dearest first." + (f" {rest} cheaper steps left out." if rest else "")
    return figure(svg.bars(f"{row.target}: {key} by step", bars, key, width=500), caption)


def _findings(row: TargetResult) -> Html | None:
    findings = row.findings
    if not findings:
        return None
    rows = [
        [
            number(item.get("index")),
            item.get("op"),
            item.get("name"),
            item.get("reason") or "",
            item.get("rewrite") or "",
        ]
        for item in findings[:_MOST_FINDINGS]
    ]
    more = len(findings) - len(rows)
    return el(
        "div",
        el("h3", f"{row.target} · {row.recipe}: ops that do not run there"),
        table(["index#", "op", "layer", "why", "what to change"], rows),
        el("p", f"… and {more} more", class_="sub") if more > 0 else None,
    )


def exact_text(row: TargetResult) -> str:
    """For the model card: whether the target agrees with the reference, bit by bit."""
    return yes_no(row.bench_value("bit_exact"))
