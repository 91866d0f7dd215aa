"""``edgecnn data``: check, convert, split and preview images with boxes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import common, output_option, seed_option
from edgecnn.cli.output import print_json, progress

if TYPE_CHECKING:
    from edgecnn.jobs.data_convert import DataWritten

_FORMS = click.Choice(["voc", "coco", "yolo", "csv"])
_form_option = click.option(
    "--format", "form", type=_FORMS, default=None,
    help="Read this form of annotations; default: the one that says the most.",
)  # fmt: skip
_to_option = click.option(
    "--to", type=_FORMS, default=None, help="Form to write; default: that of the source."
)


@click.group("data", no_args_is_help=False)
def command() -> None:
    """Check, convert, split and show images with boxes."""


@command.command("check", short_help="Say what is wrong, a line per fault.")
@click.argument("source")
@_form_option
@seed_option
@common
def check(
    source: str, form: str | None, seed: int | None, as_json: bool, verbose: bool, quiet: bool
) -> int:
    """Say what is wrong with the boxes in SOURCE, a line per fault; exit 1 if anything is."""
    from edgecnn.jobs.data_check import DataCheckRequest, run

    result = run(DataCheckRequest(source, form, 42 if seed is None else seed))
    if as_json:
        print_json(result.to_json())
        return int(bool(result.faults))
    for fault in result.faults:
        click.echo(fault.line())
    if not quiet:
        count = len(result.faults)
        click.echo(
            f"{result.form_name}: {result.images:,} images of {result.sizes:,} sizes,"
            f" {result.boxes:,} boxes, {len(result.classes)} classes,"
            f" {count or 'no'} fault{'' if count == 1 else 's'}"
        )
        for label, boxes in result.classes.items():
            click.echo(f"  {label}: {boxes:,} boxes")
        whose = "its own" if len(result.own) == 3 else f"its own: {', '.join(result.own)}"
        splits = ", ".join(f"{part} {count:,}" for part, count in result.splits.items())
        click.echo(f"  splits ({whose if result.own else 'cut by image'}): {splits}")
        for note in result.notes:
            click.echo(f"note: {note}", err=True)
    return int(bool(result.faults))


@command.command("convert", short_help="Write another form; no box moves.")
@click.argument("source")
@_form_option
@click.option("--to", type=_FORMS, required=True, help="Form to write.")
@output_option("Folder to write, new or empty.")
@common
def convert(
    source: str,
    form: str | None,
    to: str,
    output_dir: Path | None,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write SOURCE in another form; no box moves, and the splits stay."""
    from edgecnn.jobs.data_convert import DataConvertRequest
    from edgecnn.jobs.data_convert import convert as run

    if output_dir is None:
        raise click.UsageError("Missing option '-o' / '--output-dir'.")
    with progress(silent=as_json or quiet) as bar:
        result = run(DataConvertRequest(source, output_dir, to, form), bar)
    _print_written(result, as_json=as_json, quiet=quiet)


@command.command("split", short_help="Cut anew by image into train, val, test.")
@click.argument("source")
@_form_option
@_to_option
@click.option("--val", type=float, default=0.15, show_default=True, help="Share for validation.")
@click.option("--test", type=float, default=0.15, show_default=True, help="Share for the test.")
@output_option("Folder to write a copy with these splits to; default: only say what they are.")
@seed_option
@common
def split(
    source: str,
    form: str | None,
    to: str | None,
    val: float,
    test: float,
    output_dir: Path | None,
    seed: int | None,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Cut SOURCE anew by image, near-duplicates together; the same seed gives the same cut."""
    from edgecnn.data.boxes.parts import CutShares
    from edgecnn.jobs.data_convert import DataSplitRequest
    from edgecnn.jobs.data_convert import split as run

    request = DataSplitRequest(
        source, output_dir, CutShares(val, test), 42 if seed is None else seed, to, form
    )
    with progress(silent=as_json or quiet) as bar:
        result = run(request, bar)
    _print_written(result, as_json=as_json, quiet=quiet)


@command.command("preview", short_help="Write one page with photos, boxes, sizes.")
@click.argument("source")
@_form_option
@click.option("--count", type=int, default=24, show_default=True, help="Photos on the page.")
@click.option("--input-size", nargs=2, type=int, default=None, metavar="HEIGHT WIDTH",
              help="What training sees; default: what it would choose itself.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("preview.html"),
              show_default=True, help="The page to write.")  # fmt: skip
@seed_option
@common
def preview(
    source: str,
    form: str | None,
    count: int,
    input_size: tuple[int, int] | None,
    output: Path,
    seed: int | None,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write one page with photos and boxes of SOURCE, sizes, counts, and what training sees."""
    from edgecnn.jobs.data_preview import DataPreviewRequest, run

    request = DataPreviewRequest(
        source, output, count, input_size, 42 if seed is None else seed, form
    )
    with progress(silent=as_json or quiet) as bar:
        result = run(request, bar)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        click.echo(f"wrote {result.file}: {result.photos} of {result.images:,} images")


def _print_written(result: DataWritten, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(result.to_json())
        return
    if quiet:
        return
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    for part, facts in result.splits.items():
        boxes = ", ".join(f"{label} {count:,}" for label, count in facts["boxes"].items())
        click.echo(f"  {part}: {facts['images']:,} images ({boxes})")
    where = f"wrote {result.folder}" if result.folder else "nothing written (-o FOLDER does)"
    click.echo(f"{where}: {result.images:,} images, {result.boxes:,} boxes, {result.to}")
    if result.folder:
        quoted = shlex.quote(str(result.folder))
        click.echo(f"next: edgecnn train --task detect --data {quoted}")
