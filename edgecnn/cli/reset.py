"""``edgecnn reset``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import board_file_option, common, line_option, target_option
from edgecnn.cli.output import print_json


@click.command("reset")
@target_option(multiple=False, required=False)
@line_option
@board_file_option
@common
def command(
    target: str | None,
    device: str | None,
    board_file: Path | None,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Start a board's program anew."""
    from edgecnn.jobs.board_line import named_board
    from edgecnn.jobs.logs import reset_board

    board = named_board(target, board_file)
    where = reset_board(board, device)
    if as_json:
        print_json({"schema": "edgecnn.reset/1", "target": board.name, "device": where})
    elif not quiet:
        click.echo(f"{board.name} on {where}: reset")
