"""``edgecnn eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import (
    common,
    force_chance_option,
    model_argument,
    numerics_option,
    own_code_options,
    place_of,
    place_options,
    project_option,
    seed_option,
    spec_files_of,
    spec_options,
    variant_option,
)
from edgecnn.cli.output import print_json, print_warnings, progress
from edgecnn.cli.quality_tables import print_class_changes, print_metric, print_side_by_side

if TYPE_CHECKING:
    from edgecnn.jobs.evaluate import EvalRequest, EvalResult
    from edgecnn.jobs.reference import ModelRef


@click.command("eval")
@model_argument
@click.option("--data", default=None, help="Image folder, archive, digits or scenes.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "val+test", "all"]),
    default=None,
    help="Default: test; all images of a foreign folder without a test split.",
)
@place_options
@own_code_options
@variant_option
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many images.")
@spec_options
@force_chance_option
@numerics_option("Evaluate the model's C with these numerics.", default=None)
@seed_option
@project_option
@common
def command(model: Path | None, project: Path, **flags: Any) -> None:
    """Measure accuracy (classify) or mAP (detect) on labelled data.

    With -t TARGET it is what that device computes, beside LiteRT and the float model on the same
    images; a microcontroller's C runs in an emulator, with --on-host on this machine. Exit code 1
    when a classifier is no better than chance, or a detector finds nothing.
    """
    from edgecnn.jobs.evaluate import gate, run
    from edgecnn.jobs.reference import resolve
    from edgecnn.jobs.side_by_side import run_side_by_side

    reference = resolve(model, project, imports=flags["imports"], unsafe=flags["unsafe"])
    print_warnings(reference.warnings)
    request = _request(reference, flags)
    with progress(silent=flags["as_json"] or flags["quiet"]) as bar:
        with_target = request.place.target is not None
        result = run_side_by_side(request, bar) if with_target else run(request, bar)
    if flags["as_json"]:
        print_json(result.to_json())
    else:
        _print(result, verbose=flags["verbose"])
    chance = gate(result, force=flags["force"])
    if chance is not None and not flags["as_json"]:
        click.echo(f"warning: {chance}", err=True)


def _request(reference: ModelRef, flags: dict[str, Any]) -> EvalRequest:
    from edgecnn.jobs.evaluate import EvalRequest

    return EvalRequest(
        reference,
        flags["data"],
        flags["split"],
        flags["variant"],
        flags["seed"],
        flags["limit"],
        spec_files_of(flags),
        place_of(flags),
    )


def _print(result: EvalResult, *, verbose: bool) -> None:
    if len(result.compared) > 1:
        print_side_by_side(result.compared)
        first, last = result.compared[0], result.compared[-1]
        print_class_changes(first.metric, last.metric, (first.name, last.name))
    else:
        of = f", {result.variant}" if result.variant else ""
        of += " (not quantized yet)" if result.float_only else ""
        of += f", {result.compared[0].name}: {result.runs}" if result.compared else ""
        print_metric(result.metric, f"{result.metric.n} images{of}", verbose=verbose)
    if result.skipped:
        click.echo(f"skipped {len(result.skipped)} unreadable images:")
        for name in result.skipped[: None if verbose else 10]:
            click.echo(f"  {name}")
