"""``edgecnn inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import (
    common,
    input_options,
    model_argument,
    output_option,
    own_code_options,
    project_option,
    seed_option,
    target_option,
    variant_option,
)
from edgecnn.cli.output import (
    layer_name,
    print_json,
    print_table,
    print_warnings,
    progress,
    thousands,
)

if TYPE_CHECKING:
    from edgecnn.jobs.inspect import InspectOutcome
    from quantization.inspection.measure import LayerMeasure
    from quantization.inspection.table import OpRow
    from targets.base import CheckReport

PAGE, OBJECT = "inspect.html", "inspect.json"
_WORST = 12


@click.command("inspect")
@model_argument
@click.option("--against", type=click.Path(path_type=Path), default=None,
              help="Float model to compare with; default: a bundle's float32 variant."
              )  # fmt: skip
@click.option("--data", default=None, help="Images, .npy, .npz or audio to run on; default: the"
              " bundle's training data.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=32, show_default=True,
              help="At most so many.")  # fmt: skip
@input_options
@click.option("--preprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@target_option(multiple=True)
@own_code_options
@variant_option
@click.option("--html", type=click.Path(path_type=Path), default=None, help="Write the page here.")
@output_option(f"Folder for {PAGE} and {OBJECT}.")
@seed_option
@project_option
@common
def command(
    model: Path | None,
    against: Path | None,
    data: str | None,
    samples: int,
    input_range: str | None,
    colour: str | None,
    preprocess: Path | None,
    targets: tuple[str, ...],
    variant: str | None,
    html: Path | None,
    output_dir: Path | None,
    seed: int | None,
    project: Path,
    imports: tuple[Path, ...],
    unsafe: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Say layer by layer what quantization did to a model, which layers are to blame, and why.

    Without --against and --data it tells what the file alone shows.
    """
    from edgecnn.core.files import write_json
    from edgecnn.jobs.input_range import RangeOptions
    from edgecnn.jobs.inspect import InspectRequest, run
    from edgecnn.jobs.model_samples import DataRequest
    from edgecnn.jobs.reference import resolve

    page = html or (output_dir / PAGE if output_dir else None)
    reference = resolve(model, project, imports=imports, unsafe=unsafe)
    print_warnings(reference.warnings)
    request = InspectRequest(
        reference,
        against,
        DataRequest(data, samples, preprocess, RangeOptions(input_range, colour), seed),
        variant,
        targets,
        page,
    )
    with progress(silent=as_json or quiet) as bar:
        outcome = run(request, bar)
    if output_dir is not None:
        write_json(output_dir / OBJECT, outcome.to_json())
    if as_json:
        print_json(outcome.to_json())
    elif not quiet:
        _print(outcome, verbose=verbose)


def _print(outcome: InspectOutcome, *, verbose: bool) -> None:
    found = outcome.found
    measured = {layer.index: layer for layer in found.measured.layers} if found.measured else {}
    compared = any(layer.total for layer in measured.values())
    rows = list(found.table.rows)
    title = f"{len(rows)} layers"
    if compared and not verbose and len(rows) > _WORST:
        known = [row for row in rows if _own(measured.get(row.index)) is not None]
        worst = sorted(known, key=lambda row: _own(measured.get(row.index)) or 0.0)[:_WORST]
        rows = sorted(worst, key=lambda row: row.index)
        title = f"the {len(rows)} layers that add most error (all: --verbose)"
    heads = ["#", "op", "layer", "output", "MACs", "weights", "filter", "precision"]
    heads += ["SQNR dB", "adds dB", "cosine"] if compared else []
    heads += [report.target for report in outcome.targets]
    lines = [
        (*_static(row), *(_errors(measured.get(row.index)) if compared else ()),
         *_support(outcome.targets, row.index))
        for row in rows
    ]  # fmt: skip
    numeric = (0, 4, 5, *(range(8, 11) if compared else ()))
    print_table(title, heads, lines, numeric=numeric)
    totals = found.table.totals()
    kinds = ", ".join(f"{count} {name}" for name, count in totals["precisions"].items())
    click.echo(
        f"{totals['ops']} ops ({kinds}), {thousands(totals['macs'])} MACs,"
        f" {thousands(totals['weight_bytes'])} bytes of weights"
    )
    for report in outcome.targets:
        click.echo(f"{report.target}: {report.mapped} of {len(report.ops)} ops map")
    _print_suspects(outcome)
    for note in (*outcome.notes, *(outcome.left_out if verbose else ())):
        click.echo(f"note: {note}", err=True)
    if outcome.left_out and not verbose:
        click.echo("note: -v names the layers that lost channels", err=True)
    if outcome.html is not None:
        click.echo(f"wrote {outcome.html}")


def _print_suspects(outcome: InspectOutcome) -> None:
    suspects = outcome.found.suspects
    if not suspects:
        click.echo("suspects: none")
        return
    click.echo("suspects, the worst first:")
    for suspect in suspects:
        click.echo(f"{suspect.rank:3d}. {layer_name(suspect.layer)} ({suspect.op})")
        click.echo(f"     {suspect.kind}: {suspect.cause}")
        click.echo(f"     cure: {suspect.cure}")


def _static(row: OpRow) -> tuple[str, ...]:
    shape = "×".join(map(str, row.shape))
    filter_text = ""
    if row.weight_dtype is not None:
        filter_text = row.weight_dtype
        if row.weight_scale is not None:
            low, high = row.weight_scale
            scales = f"{low:.2g}" if low == high else f"{low:.2g}…{high:.2g}"
            filter_text += f" {row.granularity} {scales}"
    return (
        str(row.index),
        row.op,
        layer_name(row.name, 40),
        shape,
        thousands(row.macs) if row.macs else "",
        thousands(row.weight_bytes) if row.weight_bytes else "",
        filter_text,
        f"{row.precision} (stays float)" if row.island else row.precision,
    )


def _own(layer: LayerMeasure | None) -> float | None:
    if layer is None or layer.total is None:
        return None
    return layer.added.sqnr_db if layer.added else layer.total.sqnr_db


def _errors(layer: LayerMeasure | None) -> tuple[str, ...]:
    if layer is None or layer.total is None:
        return "", "", ""
    added = f"{layer.added.sqnr_db:.1f}" if layer.added else ""
    return f"{layer.total.sqnr_db:.1f}", added, f"{layer.total.cosine:.5f}"


def _support(reports: tuple[CheckReport, ...], index: int) -> tuple[str, ...]:
    marks: dict[Any, str] = {True: "yes", False: "no", None: ""}
    return tuple(
        marks[next((op.mapped for op in report.ops if op.index == index), None)]
        for report in reports
    )
