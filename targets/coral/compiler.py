"""Runs ``edgetpu_compiler`` and reads its log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edgecnn.core.errors import ToolError
from targets.coral.rules.view import MAPPED
from targets.programs import run_program

_ROW = re.compile(r"^(?P<op>[A-Z][A-Z0-9_]*)\s+(?P<count>\d+)\s+(?P<status>\S.*?)\s*$")
_SIZE = re.compile(r"^\s*(?P<number>[\d.]+)\s*(?P<unit>B|KiB|MiB|GiB)\s*$")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_FAILURES = (
    "Compilation failed:",
    "Internal compiler error",
    "Internal compile error",
    "Invalid model",
    "is not supported on DarwiNN",
    "ERROR:",
    "Compilation failed!",
)
_GRACE_S = 30


@dataclass(frozen=True)
class StatusRow:
    """One row of the operator table."""

    op: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerLog:
    """What the compiler printed; None where a line is missing.

    Attributes:
        failures: the lines that say why it failed, the most telling first.
        on_chip_bytes, off_chip_bytes: parameters kept on the chip, and streamed; the log rounds
            them to 0.01 of its unit.
    """

    version: str | None
    rows: tuple[StatusRow, ...]
    on_chip_bytes: int | None
    remaining_bytes: int | None
    off_chip_bytes: int | None
    subgraphs: int | None
    operations: int | None
    failures: tuple[str, ...]

    @property
    def mapped(self) -> int:
        """How many ops run on the Edge TPU."""
        return sum(row.count for row in self.rows if row.status == MAPPED)

    def mapped_of(self, op: str) -> int:
        """How many ops of that code run on the Edge TPU."""
        return sum(row.count for row in self.rows if row.op == op and row.status == MAPPED)


def parse_log(text: str) -> CompilerLog:
    """Reads what ``edgetpu_compiler -s`` prints, or its .log file."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition(":")
        if found:
            values.setdefault(key.strip(), value.strip())
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    rows = tuple(
        StatusRow(match["op"], int(match["count"]), match["status"])
        for line in text.splitlines()
        if (match := _ROW.match(line.strip()))
    )
    lines = [line.strip() for line in text.splitlines()]
    failures = [
        line for sign in _FAILURES for line in lines if line.startswith(sign) or f" {sign}" in line
    ]
    prefix = "memory used for"
    return CompilerLog(
        version[1] if version else None,
        rows,
        _bytes(values.get(f"On-chip {prefix} caching model parameters")),
        _bytes(values.get("On-chip memory remaining for caching model parameters")),
        _bytes(values.get(f"Off-chip {prefix} streaming uncached model parameters")),
        _integer(values.get("Number of Edge TPU subgraphs")),
        _integer(values.get("Total number of operations")),
        tuple(dict.fromkeys(failures)),
    )


@dataclass(frozen=True)
class Compiled:
    """A compiled model and the log, both as bytes."""

    model: bytes
    log: bytes
    report: CompilerLog


def compile_model(program: str, model: bytes, *, stem: str, timeout_s: int) -> Compiled:
    """Compiles ``model`` in a folder of its own.

    Raises:
        ToolError: the compiler failed, took too long or wrote nothing.
    """
    hint = "run edgecnn check -t coral-usb: it names the ops and what to change"
    with TemporaryDirectory(prefix="edgecnn-coral-") as folder:
        source = Path(folder) / f"{stem}.tflite"
        source.write_bytes(model)
        output = Path(folder) / "out"
        output.mkdir()
        finished = run_program(
            "edgetpu_compiler",
            [program, "-s", "-t", str(timeout_s), "-o", output, source],
            timeout_s=timeout_s + _GRACE_S,
            cwd=Path(folder),
            hint=hint,
        )
        report = parse_log(finished.text)
        compiled, log = output / f"{stem}_edgetpu.tflite", output / f"{stem}_edgetpu.log"
        # The compiler can end with 0 after "Compilation failed!".
        if finished.returncode != 0 or not compiled.is_file():
            tail = "\n".join(reversed(report.failures)) or finished.text
            raise ToolError("edgetpu_compiler", finished.returncode, tail, hint=hint)
        text = log.read_bytes() if log.is_file() else finished.text.encode()
        return Compiled(compiled.read_bytes(), text, report)


def _bytes(text: str | None) -> int | None:
    match = _SIZE.match(text or "")
    return round(float(match["number"]) * _UNITS[match["unit"]]) if match else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
