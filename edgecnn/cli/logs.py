"""``edgecnn logs``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import board_file_option, common, line_option, target_option


@click.command("logs")
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
    """Print what a board says, until Ctrl-C."""
    follow(target, board_file, device, as_json=as_json)


def follow(
    target: str | None, board_file: Path | None, device: str | None, *, as_json: bool = False
) -> None:
    """Prints a board's lines until Ctrl-C; as JSON Lines, ``{"line": …}`` each."""
    import json

    from edgecnn.jobs.board_line import named_board
    from edgecnn.jobs.logs import text_lines

    board = named_board(target, board_file)
    try:
        for line in text_lines(board, device):
            click.echo(json.dumps({"line": line}) if as_json else line)
    except KeyboardInterrupt:
        click.echo("", err=True)
