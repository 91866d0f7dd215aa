"""Errors as text, as JSON and as exit codes."""

import json

import click
import pytest

from edgecnn.cli.errors import report_error
from edgecnn.core.errors import (
    EdgecnnError,
    MissingExtraError,
    ToolError,
    UnknownNameError,
    UsageError,
)


def render(capsys, error: BaseException, *arguments: str) -> tuple[int, str]:
    code = report_error(error, arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


def test_error_hint_and_at_most_ten_details(capsys) -> None:
    error = EdgecnnError("it broke", hint="mend it", details=[f"#{i}" for i in range(14)])
    code, text = render(capsys, error)
    assert code == 1
    lines = text.splitlines()
    assert lines[0] == "error: it broke"
    assert lines[1:11] == [f"  #{i}" for i in range(10)]
    assert lines[11] == "  … and 4 more"
    assert lines[12] == "hint: mend it"


@pytest.mark.parametrize(
    ("error", "code", "needles"),
    [
        (UsageError("a", hint="b"), 2, ["error: a", "hint: b"]),
        (
            UnknownNameError("target", "cortex-m5", ["cortex-m4", "host"]),
            2,
            ["unknown target 'cortex-m5'", "did you mean 'cortex-m4'?", "known: cortex-m4, host"],
        ),
        (
            MissingExtraError("training", "keras", "train"),
            1,
            ["training needs 'keras'", "pip install 'edgecnn[train]'"],
        ),
        (
            ToolError("vela", 3, "first\n\nlast words", hint="look"),
            1,
            ["vela failed (exit code 3)", "last words", "hint: look"],
        ),
        (ToolError("vela", None, "", hint="look"), 1, ["timed out"]),
        (ModuleNotFoundError("x", name="unicorn"), 1, ["'unicorn'", "edgecnn[mcu]"]),
        (FileNotFoundError(2, "No such file", "a.txt"), 1, ["No such file 'a.txt'"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
        (click.BadParameter("must be positive"), 2, ["must be positive", "--help"]),
        (ZeroDivisionError("division by zero"), 1, ["unexpected ZeroDivisionError", "--debug"]),
    ],
)
def test_each_kind(capsys, error: BaseException, code: int, needles: list[str]) -> None:
    got, text = render(capsys, error)
    assert got == code
    assert "Traceback" not in text
    for needle in needles:
        assert needle in text


def test_json_goes_to_stderr(capsys) -> None:
    code, text = render(capsys, UsageError("a {b}", hint="c", details=["d"]), "bench", "--json")
    assert code == 2
    assert json.loads(text) == {"error": "a {b}", "hint": "c", "code": 2, "details": ["d"]}


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        report_error(ZeroDivisionError(), ["--debug"])


def test_names_in_a_message_do_not_steer_the_terminal(capsys) -> None:
    report_error(UsageError("no class '\x1b]0;x\x07'", hint="one of: \x1b[2J\ra"), [])
    error, hint, end = capsys.readouterr().err.split("\n")
    assert error.isprintable() and hint.isprintable() and not end
