"""``edgecnn quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edgecnn.cli.options import (
    common,
    force_chance_option,
    input_options,
    model_argument,
    output_option,
    own_code_options,
    project_option,
    seed_option,
)
from edgecnn.cli.output import layer_name, print_json, print_table, print_warnings, progress
from edgecnn.cli.quality_tables import print_class_changes
from quantization.recipe import STEPS, Calibrator, Interface

if TYPE_CHECKING:
    from edgecnn.jobs.quantize import QuantizeOutcome
    from quantization.types import QuantizationResult

_CALIBRATORS = [name for name in get_args(Calibrator) if name != "none"]
_STEPS = ["none", *STEPS]


@click.command("quantize")
@model_argument
@click.option("--recipe", default=None, help="int8, int8-per-tensor, int16x8, mixed, dynamic,"
              " float16, float32, or a recipe.json.")  # fmt: skip
@click.option("--calibration", default=None, help="Images, .npy, .npz or .wav files that set the"
              " ranges; default: the bundle's training data.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=None, help="Calibration samples.")
@click.option("--calibrator", type=click.Choice(_CALIBRATORS), default=None,
              help="How ranges come from samples.")  # fmt: skip
@click.option("--percentile", type=float, default=None, help="Of --calibrator percentile.")
@click.option("--io", type=click.Choice(get_args(Interface)), default=None,
              help="Dtype of inputs and outputs.")  # fmt: skip
@click.option("--auto", is_flag=True, help="Add accuracy steps, the cheapest first, until"
              " --max-drop holds.")  # fmt: skip
@click.option("--step", "steps", multiple=True, type=click.Choice(_STEPS),
              help="This accuracy step instead of the recipe's; repeatable.")  # fmt: skip
@click.option("--qat-epochs", type=click.IntRange(0, 1000), default=0,
              help="Fine-tune for so many epochs (with --auto: as the last resort).")  # fmt: skip
@click.option("--layer", "overrides", multiple=True, metavar="PATTERN=SETTING",
              help="Per layer: int8, int16, float32, per-channel or per-tensor; repeatable."
              )  # fmt: skip
@click.option("--allow-float", is_flag=True, help="Let ops without an integer kernel stay float.")
@click.option("--max-drop", type=float, default=None, help="Gate: points that it may lose.")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many test samples.")
@input_options
@click.option("--preprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@click.option("--postprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes on this machine.")  # fmt: skip
@click.option("--ray", default=None, metavar="ADDRESS", help="Ray cluster to run on.")
@own_code_options
@force_chance_option
@output_option("Folder for the files of a bare model.")
@seed_option
@project_option
@common
def command(model: Path | None, project: Path, **flags: Any) -> None:
    """Quantize a bundle, a .keras, .h5 or float .tflite file or a SavedModel, and prove the cost.

    Exit code 1 when it loses more than --max-drop, when the float model is no better than chance,
    or when a detector finds nothing any more.
    """
    from edgecnn.jobs.quantize import gate, run

    with progress(silent=flags["as_json"] or flags["quiet"]) as bar:
        outcome = run(_job(model, project, flags), bar)
    if flags["as_json"]:
        print_json(outcome.to_json())
    elif not flags["quiet"]:
        _print(outcome, verbose=flags["verbose"])
    gate(outcome.result, force=flags["force"])


def _job(model: Path | None, project: Path, flags: dict[str, Any]) -> Any:
    """The job that the flags and the project file ask for."""
    from edgecnn.jobs.input_range import RangeOptions
    from edgecnn.jobs.project import default_project, load_project
    from edgecnn.jobs.quantize import QuantizeJob
    from edgecnn.jobs.recipes import RecipeChanges, make_recipe
    from edgecnn.jobs.reference import resolve
    from quantization.auto import with_step

    reference = resolve(model, project, imports=flags["imports"], unsafe=flags["unsafe"])
    print_warnings(reference.warnings)
    values = load_project(project) if model is None else default_project("classify")
    steps = flags["steps"]
    changes = RecipeChanges(
        samples=flags["samples"] or values.get("quantize", "calibration_samples"),
        seed=flags["seed"],
        calibrator=flags["calibrator"],
        percentile=flags["percentile"],
        io=flags["io"],
        allow_float=flags["allow_float"] or None,
        steps=steps,
        overrides=flags["overrides"],
    )
    recipe = make_recipe(flags["recipe"] or values.get("quantize", "recipe"), changes)
    if flags["qat_epochs"] and not flags["auto"]:
        recipe = with_step(recipe, "fine-tune")
    max_drop = flags["max_drop"]
    if model is None and max_drop is None:
        max_drop = values.get("quantize", "max_drop")
    return QuantizeJob(
        reference,
        recipe,
        calibration=flags["calibration"],
        max_drop=max_drop,
        limit=flags["limit"],
        seed=flags["seed"],
        output_dir=flags["output_dir"],
        spec_file=flags["preprocess"],
        postprocess_file=flags["postprocess"],
        input=RangeOptions(flags["input_range"], flags["colour"]),
        auto=flags["auto"],
        epochs=flags["qat_epochs"],
        workers=flags["workers"],
        ray=flags["ray"],
        force=flags["force"],
    )


def _print(outcome: QuantizeOutcome, *, verbose: bool) -> None:
    result = outcome.result
    _print_metrics(result)
    if outcome.chance is not None:
        click.echo("which says nothing of the quantization: " + outcome.chance)
    _print_steps(result)
    _print_layers(result, verbose=verbose)
    shown = result.suspects if verbose else result.suspects[:3]
    for suspect in shown:
        click.echo(f"suspect: '{layer_name(suspect.layer)}': {suspect.cause}")
        click.echo(f"  cure: {suspect.cure}")
    if len(result.suspects) > len(shown):
        click.echo(f"and {len(result.suspects) - len(shown)} more suspects (-v shows them)")
    for line in result.warnings:
        click.echo(f"warning: {line}", err=True)
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    if outcome.skipped:
        click.echo(f"skipped {len(outcome.skipped)} unreadable files: "
                   f"{', '.join(outcome.skipped[:5])}", err=True)  # fmt: skip
    click.echo(f"wrote {outcome.files['model']}")


def _print_metrics(result: QuantizationResult) -> None:
    names = {
        "float": "float model",
        "float_tflite": "float .tflite",
        "quantized": f"{result.recipe.name} .tflite",
    }
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
        print_table("", ("model", metric_name, "95 % interval", "samples"), rows, numeric=(1, 3))
    before = result.metrics.get("float") or result.metrics.get("float_tflite")
    after = result.metrics.get("quantized")
    if before is not None and after is not None:
        print_class_changes(before, after, ("float", result.recipe.name))
    if result.drop is not None:
        drop = result.drop
        click.echo(
            f"{result.recipe.name} {'loses' if drop.points >= 0 else 'gains'}"
            f" {abs(drop.points):.2f} points"
            f" (95 % interval of the loss {drop.low:.2f} to {drop.high:.2f}"
            + (", paired over the same images)" if drop.paired else ")")
            + ("" if result.passed else f": more than {result.max_drop:g}")
        )


def _print_steps(result: QuantizationResult) -> None:
    rows = [
        (
            step.name,
            "kept" if step.applied and step.kept else "dropped" if step.applied else "skipped",
            step.note,
            f"{step.seconds:.1f}" if step.seconds else "",
        )
        for step in result.steps
    ]
    if rows:
        print_table("steps", ("step", "", "what it did", "s"), rows, numeric=(3,))


def _print_layers(result: QuantizationResult, *, verbose: bool) -> None:
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
