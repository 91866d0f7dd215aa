"""``edgecnn train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import (
    common,
    dry_run_option,
    force_option,
    import_option,
    output_option,
    project_option,
    seed_option,
)
from edgecnn.cli.output import print_json, progress, thousands

if TYPE_CHECKING:
    from edgecnn.jobs.project import Project
    from edgecnn.jobs.train import TrainPlan


@click.command("train")
@click.option("--task", type=click.Choice(["classify", "detect"]), default=None,
              help="Train without a project file, with the task's defaults.")  # fmt: skip
@click.option("--data", default=None, help="Folder or archive of photos, digits or scenes.")
@click.option("--model", default=None, help="A model of the zoo (see edgecnn models).")
@click.option("--input-size", nargs=2, type=int, default=None, metavar="HEIGHT WIDTH")
@click.option("--colour", default=None, help="rgb, bgr or gray.")
@click.option("--width", type=float, default=None, help="Width multiplier.")
@click.option("--epochs", type=int, default=None)
@click.option("--batch-size", type=int, default=None)
@click.option("--learning-rate", type=float, default=None)
@click.option("--patience", type=int, default=None, help="Epochs without improvement.")
@click.option("--max-minutes", type=float, default=None, help="Time budget of the training.")
@click.option("--flip", default=None, help="Mirror images: auto, yes or no.")
@click.option("--with-val", is_flag=True, default=None, help="Detect: learn from the validation"
              " photos too; the last epoch is kept.")  # fmt: skip
@click.option("--weights", default=None, help="What to start from: a bundle, .keras, .h5 or .tflite"
              " (int8 too), or imagenet.")  # fmt: skip
@click.option("--input-range", default=None, help="What bytes 0 and 255 are to the model, such as"
              " -1..1; default: -1..1, or what --weights takes.")  # fmt: skip
@import_option
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@output_option("Folder of the bundle; default: the project's.")
@seed_option
@force_option
@dry_run_option
@project_option
@common
@click.pass_context
def command(ctx: click.Context, **flags: object) -> None:
    """Train the project's model into a bundle; Ctrl-C keeps a checkpoint for --resume."""
    from edgecnn.jobs.train import TrainRequest, plan, run

    project = _project(flags)
    request = TrainRequest(
        project,
        output_dir=flags["output_dir"],  # type: ignore[arg-type]
        resume=bool(flags["resume"]),
        force=bool(flags["force"]),
        imports=flags["imports"],  # type: ignore[arg-type]
    )
    as_json, quiet = bool(flags["as_json"]), bool(flags["quiet"])
    if flags["dry_run"]:
        planned = plan(request)
        if as_json:
            print_json(planned.to_json())
        else:
            _print_plan(planned)
        return
    with progress(silent=as_json or quiet) as bar:
        outcome = run(request, bar)
    if as_json:
        print_json(outcome.to_json())
    elif not quiet:
        metric = outcome.metric
        click.echo(
            f"{metric.name} {metric.value:.4f} on {metric.n} test images"
            f" (95 % {metric.low:.4f} – {metric.high:.4f})"
        )
        click.echo(
            f"{thousands(outcome.parameters)} parameters, {thousands(outcome.macs)} MACs,"
            f" {outcome.seconds:.0f} s on {outcome.device}"
        )
        _print_left_out(outcome.bundle.manifest.data.get("splits", {}))
        click.echo(f"wrote {outcome.bundle.root}")


def _print_plan(planned: TrainPlan) -> None:
    data = planned.to_json()
    counts = ", ".join(f"{part['count']:,} {key}" for key, part in data["data"]["splits"].items())
    click.echo(
        f"would train {data['model']} ({thousands(data['parameters'])} parameters,"
        f" {thousands(data['macs'])} MACs) on {data['classes']} classes ({counts}) into"
        f" {data['bundle']}"
    )
    if planned.resumed_at:
        click.echo(f"would continue after epoch {planned.resumed_at} of {data['train']['epochs']}")
    for note in planned.notes:
        click.echo(f"note: {note}", err=True)


def _print_left_out(splits: Mapping[str, Any]) -> None:
    """Names the images that could not be read, and copies that stood in two splits."""
    for part, facts in splits.items():
        for key, what in (("skipped", "unreadable images"), ("duplicates", "copies of others")):
            left_out = facts.get(key) or {}
            if left_out.get("count"):
                names = ", ".join(left_out.get("first", [])[:5])
                click.echo(f"{part}: skipped {left_out['count']} {what}: {names}", err=True)


def _project(flags: dict[str, object]) -> Project:
    from edgecnn.jobs.project import default_project, load_project

    task = flags["task"]
    path = flags["project"]
    if not isinstance(path, Path):
        raise click.UsageError("--project takes a path")

    def text(name: str) -> str | None:
        value = flags[name]
        return value if isinstance(value, str) else None

    project = (
        default_project(str(task), source=text("data"), model=text("model"))
        if task
        else load_project(path)
    )
    size = flags["input_size"]
    minutes = flags["max_minutes"]
    return project.override(
        seed=flags["seed"],
        data__source=project.from_here(text("data")),
        model__name=flags["model"],
        model__input_size=list(size) if isinstance(size, tuple) and size else None,
        model__colour=flags["colour"],
        model__input_range=flags["input_range"],
        model__width=flags["width"],
        train__epochs=flags["epochs"],
        train__batch_size=flags["batch_size"],
        train__learning_rate=flags["learning_rate"],
        train__patience=flags["patience"],
        train__max_minutes=minutes,
        train__flip=flags["flip"],
        train__with_val=flags["with_val"],
        train__weights=project.from_here(text("weights")),
    )
