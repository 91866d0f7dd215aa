"""Tables, progress and completion as a user meets them."""

import pytest

from edgecnn.cli import VERBS, main
from edgecnn.cli.output import layer_name, print_table, progress, thousands
from targets.table import target_names
from tests.run import python


def test_a_piped_table_keeps_whole_cells(capsys) -> None:
    wide = "x" * 150
    print_table("title", ("a", "b"), [(wide, "[bold]1[/bold]")], numeric=(1,))
    out = capsys.readouterr().out
    assert wide in out
    assert "[bold]1[/bold]" in out, "cells are text, not markup"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234567, "", "1,234,567"),
        (None, "ms", "–"),
        (0.5, "ms", "0.500 ms"),
        (0, "bytes", "0 bytes"),
    ],
)
def test_thousands(value, unit, text) -> None:
    assert thousands(value, unit) == text


def test_layer_names() -> None:
    assert layer_name("a/Relu;a/bias;b") == "a/Relu"
    assert layer_name("x" * 80) == "…" + "x" * 55


def test_progress_without_a_terminal_prints_plain_lines(capsys) -> None:
    with progress(silent=False) as bar:
        bar.stage("count", 2)
        bar.advance(1, "half")
        bar.say("[done]")
    out, err = capsys.readouterr()
    assert out == ""
    assert "count …" in err
    assert "[done]" in err
    with progress(silent=True) as bar:
        bar.stage("count", 2)
        bar.advance()
        bar.say("nothing")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(capsys, verb: str) -> None:
    assert main([verb, "--help"]) == 0
    assert "Usage: edgecnn" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys, shell: str) -> None:
    assert main(["completion", shell]) == 0
    assert "_EDGECNN_COMPLETE" in capsys.readouterr().out


def test_targets_are_completed() -> None:
    done = python(
        "-m", "edgecnn", _EDGECNN_COMPLETE="bash_complete", COMP_WORDS="edgecnn bench -t cortex",
        COMP_CWORD="3",
    )  # fmt: skip
    found = {line.split(",")[-1] for line in done.stdout.split()}
    assert found == {name for name in target_names() if name.startswith("cortex")}


def test_lists_print(capsys) -> None:
    for verb in ("targets", "models", "doctor"):
        assert main([verb]) == 0
        assert main([verb, "--json"]) == 0
    assert "cortex-m4" in capsys.readouterr().out
