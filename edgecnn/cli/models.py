"""``edgecnn models``."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgecnn.cli.options import common
from edgecnn.cli.output import print_json, print_table


@click.command("models")
@common
def command(as_json: bool, verbose: bool, quiet: bool) -> None:
    """List the model zoo: names for [model] in edgecnn.toml."""
    from edgecnn.models.table import all_models

    rows = all_models()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        "",
        ("model", "task", "input", "what it is"),
        [(row.name, row.task, "×".join(map(str, row.input_shape)), row.summary) for row in rows],
    )
