"""Errors as text and exit codes: ``error:``, details, ``hint:``; JSON with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from edgecnn.cli.streams import shown
from edgecnn.core.errors import MAX_DETAILS, EdgecnnError, MissingExtraError

EXIT_INTERRUPTED = 130

#: Modules that come with an extra, for an ImportError that no room has translated.
_EXTRA_OF = {
    "tensorflow": "train",
    "keras": "train",
    "sklearn": "train",
    "ziglang": "mcu",
    "unicorn": "mcu",
    "ethosu": "ethos",
}


def report_error(error: BaseException, arguments: Sequence[str]) -> int:
    """Prints an error to stderr and gives the exit code.

    ``--debug`` among the arguments raises it again, for the traceback.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if "--debug" in arguments:
        raise error
    message, hint, details, code = _describe(error)
    if "--json" in arguments:
        print(  # noqa: T201 - this is the CLI's output
            json.dumps({"error": message, "hint": hint, "code": code, "details": details}),
            file=sys.stderr,
        )
        return code
    lines = [f"error: {message}"]
    lines += [f"  {line}" for line in details[:MAX_DETAILS]]
    if len(details) > MAX_DETAILS:
        lines.append(f"  … and {len(details) - MAX_DETAILS} more")
    if hint:
        lines.append(f"hint: {hint}")
    # Names from models and files are among them.
    text = "\n".join(shown(line) for line in "\n".join(lines).split("\n"))
    click.echo(text, err=True)
    return code


def _describe(error: BaseException) -> tuple[str, str, list[str], int]:
    if isinstance(error, EdgecnnError):
        return error.message, error.hint, list(error.details), error.exit_code
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "edgecnn"
        message = error.format_message().rstrip(".")
        return message[:1].lower() + message[1:], f"see {path} --help", [], 2
    if isinstance(error, click.ClickException):
        return error.format_message(), "", [], 1
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "interrupted", "", [], EXIT_INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and error.name:
        extra = _EXTRA_OF.get(error.name.split(".")[0])
        if extra:
            missing = MissingExtraError("this command", error.name, extra)
            return missing.message, missing.hint, [], 1
    if isinstance(error, OSError):
        where = f" '{error.filename}'" if error.filename else ""
        return f"{error.strerror or error}{where}", "check the path and its permissions", [], 1
    if isinstance(error, MemoryError):
        return "out of memory", "use a smaller model, batch or image", [], 1
    what = str(error).splitlines()[0] if str(error) else ""
    return (
        f"unexpected {type(error).__name__}: {what}",
        "this is a bug in edgecnn: run again with --debug and report the traceback",
        [],
        1,
    )
