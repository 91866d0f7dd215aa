"""The help of detect."""

import re

from click.testing import CliRunner

from edgecnn.cli.detect import SECTIONS, command


def test_every_option_of_detect_stands_once_and_under_its_heading() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    headings = re.findall(r"^([A-Z].*):$", text, re.MULTILINE)
    assert headings == list(SECTIONS.values())
    options = text[text.index("\nSource:") :]
    listed = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", options, re.MULTILINE)
    assert sorted(listed) == sorted(
        {next(name for name in option.opts if name.startswith("--")) for option in command.params}
        | {"--help"}
    )
    counting = text.partition("Tracks and counts:")[2].partition("\n\n")[0]
    assert re.findall(r"^  (--\w+)", counting, re.MULTILINE) == ["--track", "--line", "--zone"]
