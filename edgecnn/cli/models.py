"""``edgecnn models``."""

from __future__ import annotations

import click

from edgecnn.cli.options import common
from edgecnn.cli.output import print_json, print_table


@click.command("models")
@common
def command(as_json: bool, verbose: bool, quiet: bool) -> None:
    """List the model zoo: names for [model] in edgecnn.toml."""
    from edgecnn.models.table import model_rows

    rows = model_rows()
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    print_table(
        "",
        ("model", "task", "what it is"),
        [(row.name, row.task, row.summary) for row in rows],
    )
