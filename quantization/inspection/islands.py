"""Layers that stay float in a quantized model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantization.audit import cure_for
from quantization.graph.rules import rule
from quantization.inspection.evidence import Candidate, Case


def float_islands(found: Sequence[Case]) -> list[Candidate]:
    """Float ops in a quantized model; neighbours are one island, named after the first."""
    islands: list[Candidate] = []
    for case in found:
        if not case.row.island:
            continue
        last = islands[-1] if islands else None
        if last is not None and last.index is not None:
            end = last.index + int(last.evidence["ops"])
            if end == case.row.index:
                grown = {**last.evidence, "ops": last.evidence["ops"] + 1}
                islands[-1] = replace(last, evidence=grown)
                continue
        row = case.row
        islands.append(
            Candidate(20.0, row.index, row.name, row.op, "float-island", "", "", {"ops": 1.0})
        )
    return [replace(item, cause=_cause(item), cure=_cure(item)) for item in islands]


def _cause(item: Candidate) -> str:
    more = int(item.evidence["ops"]) - 1
    others = f" and {more} ops behind it stay" if more else " stays"
    if rule(item.op) is None:
        return f"{item.op}{others} float: it has no integer kernel"
    return f"{item.op}{others} float, although it has an integer kernel"


def _cure(item: Candidate) -> str:
    if rule(item.op) is None:
        return cure_for(item.op)
    return "take it out of the recipe's overrides, or quantize again with --recipe int8"
