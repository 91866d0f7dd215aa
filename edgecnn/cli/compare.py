"""``edgecnn compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import common, input_options, seed_option, variant_option
from edgecnn.cli.output import layer_name, print_json, print_table, progress, thousands

if TYPE_CHECKING:
    from edgecnn.jobs.compare import CompareOutcome

_SHOWN = 12


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--data", default=None, help="Images, .npy, .npz or audio; default: random values,"
              " or a bundle's training data.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=32, show_default=True,
              help="At most so many.")  # fmt: skip
@input_options
@click.option("--preprocess", type=click.Path(path_type=Path), default=None, help="Spec file.")
@variant_option
@seed_option
@common
def command(
    a: Path,
    b: Path,
    data: str | None,
    samples: int,
    input_range: str | None,
    colour: str | None,
    preprocess: Path | None,
    variant: str | None,
    seed: int | None,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Show what differs between two models: ops, dtypes, sizes, and outputs on the same inputs.

    A counts as right. Without --data both get the same random values.
    """
    from edgecnn.jobs.compare import CompareRequest, run
    from edgecnn.jobs.input_range import RangeOptions
    from edgecnn.jobs.model_samples import DataRequest
    from edgecnn.jobs.reference import resolve

    request = CompareRequest(
        resolve(a),
        resolve(b),
        DataRequest(data, samples, preprocess, RangeOptions(input_range, colour), seed),
        variant,
    )
    with progress(silent=as_json or quiet) as bar:
        outcome = run(request, bar)
    if as_json:
        print_json(outcome.to_json())
    elif not quiet:
        _print(outcome, verbose=verbose)


def _print(outcome: CompareOutcome, *, verbose: bool) -> None:
    found = outcome.found
    if found.identical:
        click.echo("the files are equal, byte for byte")
    _print_sides(outcome)
    for change in found.ops:
        for sign, at, codes in (("−", change.a, change.only_a), ("+", change.b, change.only_b)):
            if codes:
                click.echo(f"ops {sign} from #{at}: {', '.join(codes)}")
    if not found.ops:
        click.echo("ops: the same, in the same order")
    _print_tensors(outcome, verbose=verbose)
    _print_outputs(outcome)
    layers = found.layers if verbose else sorted(found.layers, key=lambda x: x.sqnr_db)[:_SHOWN]
    if layers and not found.identical:
        print_table(
            "layers of one name" if verbose else "layers that differ most (all: --verbose)",
            ("#", "op", "layer", "SQNR dB", "cosine"),
            [
                (str(x.index), x.op, layer_name(x.name), f"{x.sqnr_db:.1f}", f"{x.cosine:.5f}")
                for x in layers
            ],
            numeric=(0, 3, 4),
        )
    for note in found.notes:
        click.echo(f"note: {note}")


def _print_sides(outcome: CompareOutcome) -> None:
    a, b = outcome.found.a, outcome.found.b
    kinds = [", ".join(f"{n} {name}" for name, n in side.precisions.items()) for side in (a, b)]
    rows = [
        ("file bytes", thousands(a.nbytes), thousands(b.nbytes)),
        ("weight bytes", thousands(a.weight_bytes), thousands(b.weight_bytes)),
        ("ops", thousands(a.ops), thousands(b.ops)),
        ("MACs", thousands(a.macs), thousands(b.macs)),
        ("precision", *kinds),
        ("inputs", "\n".join(a.inputs), "\n".join(b.inputs)),
        ("outputs", "\n".join(a.outputs), "\n".join(b.outputs)),
    ]
    heads = ("", f"A {Path(outcome.a).name}", f"B {Path(outcome.b).name}")
    print_table("", heads, [row for row in rows if row[1] or row[2]])


def _print_tensors(outcome: CompareOutcome, *, verbose: bool) -> None:
    every = outcome.found.tensors
    # Between a float and a quantized model all differ; what tells something are other scales.
    scaled = [item for item in every if "scale" in item.a and "scale" in item.b]
    tensors = list(every) if verbose else scaled[:_SHOWN]
    if every:
        more = "" if len(tensors) == len(every) else " (all: --verbose)"
        click.echo(
            f"{len(every)} tensors of one name are stored differently, {len(scaled)} of them with"
            f" scales on both sides{more}"
        )
    if tensors:
        print_table(
            "", ("tensor", "A", "B"), [(layer_name(x.name), x.a, x.b) for x in tensors]
        )  # fmt: skip
    if outcome.found.constants:
        click.echo(f"{outcome.found.constants} constants of one name and type hold other values")


def _print_outputs(outcome: CompareOutcome) -> None:
    found = outcome.found
    if not found.outputs:
        return
    source = "random inputs" if found.random else f"samples of {outcome.source}"
    print_table(
        f"outputs on {found.samples} {source}",
        ("output", "max |A−B|", "mean |A−B|", "max LSB", "SQNR dB", "cosine", "same top-1"),
        [
            (
                layer_name(x.a if x.a == x.b else f"{x.a} / {x.b}"),
                f"{x.max_abs:.4g}",
                f"{x.mean_abs:.4g}",
                "" if x.max_lsb is None else f"{x.max_lsb:.1f}",
                f"{x.sqnr_db:.1f}",
                f"{x.cosine:.5f}",
                "" if x.top1 is None else f"{100 * x.top1:.1f} %",
            )
            for x in found.outputs
        ],
        numeric=range(1, 7),
    )
