"""``edgecnn emulate``."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import (
    board_file_option,
    common,
    model_argument,
    program_options,
    project_option,
    target_option,
)
from edgecnn.cli.output import print_json, progress


@click.command("emulate")
@model_argument
@target_option(multiple=False, required=False)
@board_file_option
@click.option("--port", type=click.IntRange(0, 65535), default=None,
              help="A TCP port instead of a pseudo-terminal; 0: any free one.")  # fmt: skip
@program_options
@project_option
@common
def command(
    model: Path | None,
    target: str | None,
    board_file: Path | None,
    port: int | None,
    variant: str | None,
    program: dict[str, Any],
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Put an emulated board behind a pseudo-terminal or TCP port, until Ctrl-C.

    Any client may talk to it, as to the board itself (docs/protocol.md).
    """
    from edgecnn.jobs.emulate import EmulateRequest, emulate
    from edgecnn.jobs.reference import resolve
    from targets.base import RunOptions

    reference = resolve(model, project)
    with ExitStack() as stack:
        # A program that started it in the background ends it with SIGTERM; nothing is left behind.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        with progress(silent=as_json or quiet) as bar:
            options = RunOptions(**program, progress=bar)
            request = EmulateRequest(reference, target, options, variant, board_file, port)
            running = stack.enter_context(emulate(request))
        if as_json:
            print_json(running.to_json())
        elif quiet:
            click.echo(running.device)
        else:
            click.echo(f"{running.target}: {running.description}")
            for note in running.notes:
                click.echo(f"  {note}")
            click.echo(f"  the board is at {running.device}; Ctrl-C ends it")
        try:
            running.serve()
        except KeyboardInterrupt:
            click.echo("", err=True)
