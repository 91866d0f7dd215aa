"""pyOCD and OpenOCD for tests: real processes on PATH that print what the real ones printed.

They keep a flash in a file: what they are told to write is read by intelhex and put there.
"""

import json
import os
import sys
from pathlib import Path

import pytest

_PROGRAM = """#!{python}
import json, os, re, sys, time
from pathlib import Path
from intelhex import IntelHex

state = Path({state!r})
arguments = sys.argv[1:]
line = " ".join(arguments)
with (state / "calls.jsonl").open("a") as log:
    log.write(json.dumps({{"arguments": arguments, "files": sorted(os.listdir())}}) + "\\n")
answers = json.loads((state / "answers.json").read_text())
text, code = next((answer for word, answer in answers.items() if word in line), ("", 0))
flash = state / "flash.bin"
if code == 0:
    written = re.search(r"(?:program )?(\\S+\\.hex)", line)
    saved = re.search(r"savemem 0x([0-9a-f]+) (\\d+) (\\S+)", line)
    dumped = re.search(r"dump_image (\\S+) 0x([0-9a-f]+) (\\d+)", line)
    if written and not (state / "deaf").exists():
        data = IntelHex(written[1]).tobinstr()
        flash.write_bytes(data + flash.read_bytes()[len(data):])
    elif saved:
        Path(saved[3]).write_bytes(flash.read_bytes()[: int(saved[2])])
    elif dumped:
        Path(dumped[1]).write_bytes(flash.read_bytes()[: int(dumped[3])])
if text == "sleep":
    time.sleep(60)
sys.stdout.write(text)
sys.exit(code)
"""


class FakeProbe:
    """``answers``: a word of the command line → (what is printed, exit code)."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = root / "state"
        self.path = root / "bin"
        self.state.mkdir()
        self.path.mkdir()
        self.flash(b"")
        self.answers({})
        for name in ("pyocd", "openocd"):
            program = self.path / name
            program.write_text(_PROGRAM.format(python=sys.executable, state=str(self.state)))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.path}{os.pathsep}{os.environ['PATH']}")

    def answers(self, table: dict[str, tuple[str, int]]) -> None:
        (self.state / "answers.json").write_text(json.dumps(table))

    def flash(self, data: bytes, size: int = 1 << 16) -> None:
        (self.state / "flash.bin").write_bytes(data.ljust(size, b"\xff"))

    def ignore_writes(self) -> None:
        (self.state / "deaf").touch()

    def calls(self) -> list[dict[str, list[str]]]:
        log = self.state / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
