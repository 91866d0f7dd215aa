"""``edgecnn detect --explain-model``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import spec_files_of
from edgecnn.cli.output import print_json, print_table

if TYPE_CHECKING:
    from edgecnn.jobs.explain import Explanation
    from edgecnn.jobs.reference import ModelRef


def explain_model(reference: ModelRef, flags: dict[str, Any]) -> None:
    """Says what a model is; writes a spec file where ``--write`` names one.

    Raises:
        EdgecnnError: the model cannot be used as it is, and no file was asked for.
    """
    from edgecnn.jobs.explain import explain, write_start

    found = explain(reference, spec_files_of(flags), next(iter(flags["sources"]), None))
    if flags["as_json"]:
        print_json(found.to_json())
    else:
        _print(found)
    target = flags["write"]
    if target is not None:
        write_start(found, target)
        click.echo(f"wrote {target}", err=flags["as_json"])
    elif found.problem is not None:
        raise found.problem


def _print(found: Explanation) -> None:
    rows = [
        (side, info.name, "×".join(map(str, info.shape)), info.dtype, _quantized(info))
        for side, infos in (("input", found.inputs), ("output", found.outputs))
        for info in infos
    ]
    print_table(str(found.model), ("", "name", "shape", "type", "scale, zero point"), rows)
    click.echo(f"recognised as: {found.name or 'nothing that is known'}")
    for sentence in found.evidence:
        click.echo(f"  because {sentence}")
    if found.input_range is not None:
        click.echo(found.input_range.line)
    if found.preprocess is not None:
        for item in found.preprocess.inputs:
            fit = getattr(item, "fit", None)
            click.echo(f"input '{item.name}': {item.kind}" + (f", {fit}" if fit else ""))
    for sentence in found.warnings:
        click.echo(f"warning: {sentence}")
    for key, what in found.missing.items():
        click.echo(f"missing: postprocess.{key}: {what}")


def _quantized(info: Any) -> str:
    return "–" if info.scale is None else f"{info.scale:.6g}, {info.zero_point}"
