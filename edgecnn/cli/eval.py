"""``edgecnn eval``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import (
    common,
    model_argument,
    numerics_option,
    project_option,
    seed_option,
    variant_option,
)
from edgecnn.cli.output import print_json, print_table, progress


@click.command("eval")
@model_argument
@click.option("--data", default=None, help="Image folder, archive, digits or scenes.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default=None,
    help="Default: test; all images of a foreign folder without a test split.",
)
@variant_option
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many images.")
@click.option("--threads", type=click.IntRange(1, 256), default=None, help="Interpreter threads.")
@click.option("--labels", type=click.Path(path_type=Path), default=None, help="Label file.")
@click.option("--preprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@click.option("--postprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@numerics_option("Evaluate the model's C with these numerics, on this machine.", default=None)
@seed_option
@project_option
@common
def command(
    model: Path | None,
    data: str | None,
    split: str | None,
    variant: str | None,
    limit: int | None,
    threads: int | None,
    labels: Path | None,
    preprocess: Path | None,
    postprocess: Path | None,
    numerics: str | None,
    seed: int | None,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Measure accuracy (classify) or mAP (detect) on labelled data."""
    from edgecnn.jobs.evaluate import EvalRequest, run
    from edgecnn.jobs.reference import resolve
    from edgecnn.jobs.specs import SpecFiles

    request = EvalRequest(
        resolve(model, project),
        data,
        split,
        variant,
        seed,
        limit,
        threads,
        SpecFiles(preprocess, postprocess, labels),
        numerics,
    )
    with progress(silent=as_json or quiet) as bar:
        result = run(request, bar)
    if as_json:
        print_json(result.to_json())
        return
    metric = result.metric
    rows = [(metric.name, f"{metric.value:.4f}", f"{metric.low:.4f} – {metric.high:.4f}")]
    if isinstance(metric.extra.get("map5095"), float):
        rows.append(("map5095", f"{metric.extra['map5095']:.4f}", ""))
    of = f", {result.variant}" if result.variant else ""
    of += " (not quantized yet)" if result.float_only else ""
    print_table(f"{metric.n} images{of}", ("metric", "value", "95 % interval"), rows, numeric=(1,))
    if result.skipped:
        click.echo(f"skipped {len(result.skipped)} unreadable images:")
        for name in result.skipped[: None if verbose else 10]:
            click.echo(f"  {name}")
