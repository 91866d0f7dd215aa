"""``edgecnn quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import common, model_argument, output_option, project_option, seed_option
from edgecnn.cli.output import layer_name, print_json, print_table, progress

if TYPE_CHECKING:
    from edgecnn.jobs.quantize import QuantizeOutcome


@click.command("quantize")
@model_argument
@click.option("--recipe", default=None, help="Recipe: int8.")
@click.option("--calibration", default=None, help="Images that set the ranges; default: the"
              " bundle's training data.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=None, help="Calibration images.")
@click.option("--max-drop", type=float, default=None, help="Gate: points that int8 may lose.")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many test images.")
@click.option("--input-range", default=None, help="Of a bare file: -1..1, 0..1 or 0..255.")
@click.option("--preprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@click.option("--postprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@output_option("Folder for the files of a bare model.")
@seed_option
@project_option
@common
def command(
    model: Path | None,
    recipe: str | None,
    calibration: str | None,
    samples: int | None,
    max_drop: float | None,
    limit: int | None,
    input_range: str | None,
    preprocess: Path | None,
    postprocess: Path | None,
    output_dir: Path | None,
    seed: int | None,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Make int8 of a bundle or a .keras file, and prove what it cost.

    Exit code 1 when int8 loses more than --max-drop.
    """
    from edgecnn.jobs.project import default_project, load_project
    from edgecnn.jobs.quantize import QuantizeJob, gate, run
    from edgecnn.jobs.reference import resolve

    reference = resolve(model, project)
    values = load_project(project) if model is None else default_project("classify")
    job = QuantizeJob(
        reference,
        recipe=recipe or values.get("quantize", "recipe"),
        calibration=calibration,
        samples=samples or values.get("quantize", "calibration_samples"),
        max_drop=values.get("quantize", "max_drop") if model is None and max_drop is None
        else max_drop,
        limit=limit,
        seed=seed,
        output_dir=output_dir,
        spec_file=preprocess,
        postprocess_file=postprocess,
        input_range=input_range,
    )  # fmt: skip
    with progress(silent=as_json or quiet) as bar:
        outcome = run(job, bar)
    if as_json:
        print_json(outcome.to_json())
    elif not quiet:
        _print(outcome, verbose=verbose)
    gate(outcome.result)


def _print(outcome: QuantizeOutcome, *, verbose: bool) -> None:
    result = outcome.result
    names = {"float": "float Keras", "float_tflite": "float .tflite", "quantized": "int8 .tflite"}
    rows = [
        (
            names.get(key, key),
            f"{100 * metric.value:.2f} %",
            f"{100 * metric.low:.2f} – {100 * metric.high:.2f} %",
            str(metric.n),
        )
        for key, metric in result.metrics.items()
        if metric is not None
    ]
    if rows:
        metric_name = next(m.name for m in result.metrics.values() if m is not None)
        print_table("", ("model", metric_name, "95 % interval", "images"), rows, numeric=(1, 3))
    if result.drop is not None:
        drop = result.drop
        click.echo(
            f"{result.recipe.name} {'loses' if drop.points >= 0 else 'gains'}"
            f" {abs(drop.points):.2f} points"
            f" (95 % interval of the loss {drop.low:.2f} to {drop.high:.2f})"
            + ("" if result.passed else f": more than {result.max_drop:g}")
        )
    layers = result.layers if verbose else result.layers[:5]
    if layers:
        print_table(
            "layers, worst first" if verbose else "worst layers",
            ("#", "op", "layer", "SQNR dB", "cosine"),
            [
                (str(x.index), x.op, layer_name(x.name), f"{x.sqnr_db:.1f}", f"{x.cosine:.5f}")
                for x in layers
            ],
            numeric=(0, 3, 4),
        )
    for line in result.warnings:
        click.echo(f"warning: {line}", err=True)
    if outcome.skipped:
        click.echo(f"skipped {len(outcome.skipped)} unreadable images: "
                   f"{', '.join(outcome.skipped[:5])}", err=True)  # fmt: skip
    click.echo(f"wrote {outcome.files['model']}")
