"""The command line: an explicit table of verbs, and the one place that prints errors.

Verbs are imported on use, so that ``edgecnn --help`` starts in a fraction of a second.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from edgecnn import __version__
from edgecnn.cli.errors import report_error
from edgecnn.cli.streams import open_missing_streams, write_any_text
from edgecnn.core.own_packages import require_own_packages

#: verb → (module:command, one line for --help), in the order of the user's road.
VERBS: dict[str, tuple[str, str]] = {
    "new": ("edgecnn.cli.new:command", "Start a project: a folder with edgecnn.toml and samples."),
    "data": ("edgecnn.cli.data:command", "Check, convert, split and show images with boxes."),
    "train": ("edgecnn.cli.train:command", "Train the project's model into a bundle."),
    "quantize": ("edgecnn.cli.quantize:command", "Make int8 of it, with a parity verdict."),
    "inspect": ("edgecnn.cli.inspect:command", "Say what quantization did, layer by layer."),
    "compare": ("edgecnn.cli.compare:command", "Show what differs between two models."),
    "check": ("edgecnn.cli.check:command", "Say op by op what will not run on a target, and why."),
    "compile": ("edgecnn.cli.compile:command", "Make what a target runs: C, ELF, .tflite."),
    "run": ("edgecnn.cli.run:command", "Compile, flash, check and measure on a board."),
    "emulate": ("edgecnn.cli.emulate:command", "Put an emulated board behind a line."),
    "flash": ("edgecnn.cli.flash:command", "Bring a model's program onto a board."),
    "logs": ("edgecnn.cli.logs:command", "Print what a board says."),
    "reset": ("edgecnn.cli.reset:command", "Start a board's program anew."),
    "bench": ("edgecnn.cli.bench:command", "Measure latency, memory and exactness on a target."),
    "eval": ("edgecnn.cli.eval:command", "Measure accuracy on labelled data."),
    "detect": ("edgecnn.cli.detect:command", "Run the camera loop on a camera, video or URL."),
    "service": ("edgecnn.cli.service:command", "Run detect for good, as a systemd service."),
    "report": ("edgecnn.cli.report:command", "Write one HTML file with everything measured."),
    "targets": ("edgecnn.cli.targets:command", "List the targets for -t."),
    "models": ("edgecnn.cli.models:command", "List the model zoo."),
    "doctor": ("edgecnn.cli.doctor:command", "Say what is installed and what to install."),
    "completion": ("edgecnn.cli.completion:command", "Print the shell completion script."),
}


class VerbGroup(click.Group):
    """A click group that reads :data:`VERBS` and imports a verb only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command of a verb, or None.

        Raises:
            ShadowedPackageError: another project's module stands in for a package of ours; only
                ``doctor``, which says so among other things, goes on.
        """
        if cmd_name not in VERBS:
            return None
        if cmd_name != "doctor":
            require_own_packages()
        module, attribute = VERBS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb; an unknown one gets the nearest name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from edgecnn.core.errors import UnknownNameError

            raise UnknownNameError("command", args[0], tuple(VERBS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Prints the table without importing the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, summary) for verb, (_, summary) in VERBS.items()])


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecnn")
def cli() -> None:
    """Take a CNN defined in Keras to the device on your desk, fast and correct."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; None: those of the process.

    Returns:
        The exit code: 0 done, 1 failed or a gate missed, 2 wrong usage, 130 interrupted.
    """
    open_missing_streams()
    write_any_text()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = cli.main(arguments, prog_name="edgecnn", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # The reader went away (edgecnn … | head): not an error; keep Python from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as error:
        return report_error(error, arguments)
    except Exception as error:  # noqa: BLE001 - the one place where every error becomes text
        return report_error(error, arguments)
