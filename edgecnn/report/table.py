"""The one-table summary that ``make demo`` and the CLI print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.report.model import ReportData, dig, dig_map
from edgecnn.report.text import (
    MISSING,
    interval,
    is_number,
    milliseconds,
    number,
    percent,
    short,
    size,
    total,
    yes_no,
)

METRIC_NAMES = {
    "accuracy": "accuracy",
    "map50": "mAP@0.5",
    "map5095": "mAP@0.5:0.95",
    "f1": "F1 of points",
}


@dataclass(frozen=True)
class Row:
    """One line of the summary.

    Attributes:
        what: what was measured.
        value: the plain value: share of 1, ms, bytes, count, bool; None: not measured.
        unit: ``share``, ``ms``, ``bytes``, ``instructions``, ``cycles``, ``ops`` or ``bool``.
        shown: the value as text.
        note: sample size, interval, or how it came about.
    """

    what: str
    value: float | int | bool | None
    unit: str
    shown: str
    note: str = ""


def summary_rows(data: ReportData, recipe: str = "int8") -> tuple[Row, ...]:
    """Accuracy, host latency, microcontroller cost, mapped ops and NPU cycles of one variant.

    Rows of targets that were never asked say "not measured".
    """
    rows = [_metric_row(data, recipe, kind) for kind in ("float", "quantized")]
    host = data.result("host", recipe)
    p50 = host.bench_value("p50") if host else None
    rows.append(Row("host, p50", _num(p50), "ms", milliseconds(p50), _threads(host)))
    for target in ("cortex-m4", "cortex-m0plus"):
        rows += _mcu_rows(data, target, recipe)
    rows.append(_mapped_row(data, "coral-usb", recipe))
    npu = data.result("ethos-u55-128", recipe)
    cycles = npu.bench_value("cycles_estimate") if npu else None
    if cycles is None and npu is not None:
        cycles = dig(npu.check, "memory", "cycles_estimate")
    note = "estimate, not measured" if is_number(cycles) else ""
    rows.append(Row("ethos-u55-128, estimated cycles", _num(cycles), "cycles", short(cycles), note))
    return tuple(rows)


def metric_name(metric: Any) -> str:
    """How a metric is called on the page."""
    name = str(dig(metric, "name") or "accuracy")
    return METRIC_NAMES.get(name, name)


def _num(value: Any) -> float | int | None:
    return value if is_number(value) else None


def _metric_row(data: ReportData, recipe: str, kind: str) -> Row:
    variant = data.variant(recipe)
    metric = variant.metric(kind) if variant else None
    word = "float" if kind == "float" else recipe
    if metric is None:
        return Row(f"quality, {word}", None, "share", MISSING)
    note = f"n = {metric.get('n')}, 95 % {interval(metric.get('interval95'))}"
    value = float(metric["value"])
    return Row(f"{metric_name(metric)}, {word}", value, "share", percent(value), note)


def _mcu_rows(data: ReportData, target: str, recipe: str) -> list[Row]:
    result = data.result(target, recipe)
    bench = result.bench if result else None
    count = dig(bench, "instructions")
    ram = total(*dig_map(bench, "ram").values())
    flash = total(*dig_map(bench, "flash").values())
    exact = dig(bench, "bit_exact")
    return [
        Row(f"{target}, instructions", _num(count), "instructions", short(count)),
        Row(f"{target}, RAM", ram, "bytes", size(ram)),
        Row(f"{target}, flash", flash, "bytes", size(flash)),
        Row(f"{target}, against LiteRT", exact if isinstance(exact, bool) else None, "bool",
            f"bit-exact: {yes_no(exact)}" if isinstance(exact, bool) else MISSING),
    ]  # fmt: skip


def _mapped_row(data: ReportData, target: str, recipe: str) -> Row:
    result = data.result(target, recipe)
    mapped, ops = dig(result.check, "mapped") if result else None, None
    if result is not None and is_number(mapped):
        ops = dig(result.check, "total")
    shown = f"{mapped} of {ops}" if is_number(ops) else MISSING
    note = "predicted by the check" if is_number(ops) else ""
    return Row(f"{target}, ops mapped", _num(mapped), "ops", shown, note)


def _threads(host: Any) -> str:
    threads = host.bench_value("conditions", "threads") if host else None
    return f"{number(threads)} threads" if is_number(threads) else ""
