"""``edgecnn new``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from edgecnn.cli.options import common, force_option, seed_option
from edgecnn.cli.output import print_json


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(["classify", "detect"]), default="classify",
              show_default=True, help="What the model does.")  # fmt: skip
@click.option("--data", default=None, help="Image folder, archive, digits or scenes.")
@click.option("--model", default=None, help="A model of the zoo (see edgecnn models).")
@seed_option
@force_option
@common
def command(
    folder: Path,
    task: str,
    data: str | None,
    model: str | None,
    seed: int | None,
    force: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Start a project: FOLDER with edgecnn.toml and sample data."""
    from edgecnn.jobs.new import NewRequest, run

    result = run(NewRequest(folder, task, data, model, seed, force))
    if as_json:
        print_json({"folder": str(result.folder), "files": list(result.files), "note": result.note})
    elif not quiet:
        shown = result.files if verbose or len(result.files) < 8 else result.files[:3]
        click.echo(f"wrote {result.folder}/: {', '.join(shown)}"
                   f"{' …' if len(shown) < len(result.files) else ''}")  # fmt: skip
        if result.note:
            click.echo(result.note)
        click.echo(f"next: cd {shlex.quote(str(result.folder))} && edgecnn train")
