"""--wait and --reconnect."""

import pytest

from edgecnn.cli.source_options import source_options_of
from edgecnn.core.errors import UsageError

FLAGS = {"realtime": False, "wait": False, "reconnect": "5"}


@pytest.mark.parametrize(
    ("text", "attempts"), [("5", 5), ("0", 0), ("forever", None), (" Forever ", None)]
)
def test_reconnect_is_a_number_or_forever(text: str, attempts: int | None) -> None:
    options = source_options_of({**FLAGS, "reconnect": text, "wait": True})
    assert options.reconnect.attempts == attempts and options.wait


@pytest.mark.parametrize("text", ["", "-1", "1.5", "always", "9" * 30, "٣"])
def test_what_cannot_be_meant_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="expected a number from 0, or forever") as caught:
        source_options_of({**FLAGS, "reconnect": text})
    assert text in caught.value.message and "--reconnect 10" in caught.value.hint
