"""What users read: messages, hints, exit codes."""

import pytest

from edgecnn.core import errors
from edgecnn.core.errors import (
    EdgecnnError,
    MissingExtraError,
    ModelError,
    ToolError,
    UnknownNameError,
    UnsupportedModelError,
    UsageError,
)

MADE = [
    EdgecnnError("it broke", hint="mend it"),
    UnknownNameError("target", "corex-m4", ("cortex-m4", "host")),
    UnknownNameError("target", "zzz", ("cortex-m4", "host")),
    MissingExtraError("training", "keras", "train"),
    ToolError("vela", 3, "a\n\nb\n", hint="look"),
    ToolError("vela", None, "", hint="look"),
    UnsupportedModelError("no", hint="yes", details=["#1 CONV_2D"]),
]


@pytest.mark.parametrize("error", MADE, ids=lambda e: type(e).__name__)
def test_each_message_is_one_whole_line(error: EdgecnnError) -> None:
    for text in (error.message, error.hint):
        assert text
        assert "\n" not in text
        assert "{" not in text
        assert "}" not in text
    assert str(error) == error.message
    assert error.exit_code in (1, 2)


def test_near_names_are_suggested() -> None:
    error = MADE[1]
    assert error.message == "unknown target 'corex-m4'"
    assert error.hint == "did you mean 'cortex-m4'? known: cortex-m4, host"
    assert MADE[2].hint == "known: cortex-m4, host"


def test_missing_extra_says_how_to_install() -> None:
    error = MissingExtraError("training", "keras", "train")
    assert error.hint == "pip install 'edgecnn[train]'"
    assert error.extra == "train"


def test_tool_errors_keep_the_last_lines() -> None:
    error = ToolError("vela", 3, "\n".join(str(k) for k in range(99)), hint="look")
    assert error.message == "vela failed (exit code 3)"
    assert list(error.details) == [str(k) for k in range(89, 99)]
    assert MADE[5].message == "vela failed (timed out)"


def test_usage_errors_exit_with_2_and_others_with_1() -> None:
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    for kind in kinds:
        assert issubclass(kind, EdgecnnError)
        assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)
    assert issubclass(UnsupportedModelError, ModelError)
