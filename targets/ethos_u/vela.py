"""Runs Vela (``python -m ethosu.vela``) and reads what it writes."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from edgecnn.core.errors import MissingExtraError, ToolError
from targets.programs import run_program

_WARNING = re.compile(
    r"^Warning \(supported operators\) operator: (?P<op>\S+), ofm: '(?P<name>.*)'$"
)
_CPU_LINE = re.compile(r"^CPU: \S+ = (?P<name>.*) \(outputs \[.*\]\)$")
_TENSOR_NAME = re.compile(r"(?<=\w) \(.*\)$")
_SHOWN_ERROR = 3


@dataclass(frozen=True)
class VelaSettings:
    """An Ethos-U target's TOML: Vela's options, and the time limit in seconds."""

    name: str
    summary: str
    accelerator: str
    config: str
    system_config: str
    memory_mode: str
    timeout_s: int


@dataclass(frozen=True)
class VelaSummary:
    """Vela's estimates for one inference; sizes in bytes.

    Attributes:
        cycles: total cycles, estimated.
        clock_hz: of the system configuration.
        milliseconds: estimated from both.
    """

    cycles: int
    clock_hz: float
    milliseconds: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int


@dataclass(frozen=True)
class VelaResult:
    """A compiled model, the estimates, what stays on the CPU and why.

    Attributes:
        on_cpu: layer names of the ops that Vela left on the CPU, as often as they occur.
        reasons: (op code, layer name) → why Vela leaves the op on the CPU.
    """

    data: bytes
    summary: VelaSummary
    on_cpu: tuple[str, ...]
    reasons: Mapping[tuple[str, str], str]
    version: str


def vela_version() -> str | None:
    """The version of the installed Vela, or None."""
    if find_spec("ethosu") is None or find_spec("ethosu.vela") is None:
        return None
    try:
        return version("ethos-u-vela")
    except PackageNotFoundError:
        return "unknown"


def run_vela(data: bytes, settings: VelaSettings, *, stem: str) -> VelaResult:
    """Compiles ``data`` in a folder of its own.

    Raises:
        MissingExtraError: Vela is not installed.
        ToolError: Vela failed or took too long.
    """
    installed = vela_version()
    if installed is None:
        raise MissingExtraError(f"target '{settings.name}'", "ethos-u-vela", "ethos")
    hint = "check that the file runs with -t host; Vela takes int8 and int16 models best"
    with TemporaryDirectory(prefix="edgecnn-vela-") as folder:
        source = Path(folder) / f"{stem}.tflite"
        source.write_bytes(data)
        output = Path(folder) / "out"
        finished = run_program(
            "vela",
            _command(source, output, settings),
            timeout_s=settings.timeout_s,
            cwd=Path(folder),
            hint=hint,
        )
        compiled = output / f"{stem}_vela.tflite"
        reports = sorted(output.glob("*_summary_*.csv"))
        if finished.returncode != 0 or not compiled.is_file() or not reports:
            raise ToolError("vela", finished.returncode, error_text(finished.text), hint=hint)
        return VelaResult(
            compiled.read_bytes(),
            parse_summary(reports[0].read_text(encoding="utf-8")),
            parse_cpu_operations(finished.text),
            parse_reasons(finished.text),
            installed,
        )


def _command(source: Path, output: Path, settings: VelaSettings) -> list[str | Path]:
    return [
        sys.executable,
        "-m",
        "ethosu.vela",
        source,
        "--output-dir",
        output,
        "--accelerator-config",
        settings.accelerator,
        "--config",
        settings.config,
        "--system-config",
        settings.system_config,
        "--memory-mode",
        settings.memory_mode,
        "--show-cpu-operations",
    ]


def parse_summary(text: str) -> VelaSummary:
    """Reads Vela's summary CSV (sizes there are in KiB).

    Raises:
        ToolError: a column is missing or no number.
    """
    row = next(csv.DictReader(io.StringIO(text)), None) or {}
    try:
        clock = float(row["core_clock"])
        cycles = round(float(row["cycles_total"]))

        def size(name: str) -> int:
            return round(float(row[f"{name}_memory_used"]) * 1024)

        return VelaSummary(
            cycles,
            clock,
            cycles / clock * 1e3,
            size("sram"),
            size("dram"),
            size("on_chip_flash") + size("off_chip_flash"),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ToolError(
            "vela", 0, f"its summary cannot be read: {error}", hint="use ethos-u-vela 5.x"
        ) from error


def parse_cpu_operations(text: str) -> tuple[str, ...]:
    """The layer names in Vela's ``CPU: kind = name (outputs …)`` lines."""
    return tuple(
        match["name"] for line in text.splitlines() if (match := _CPU_LINE.match(line.strip()))
    )


def parse_reasons(text: str) -> dict[tuple[str, str], str]:
    """Vela's "Warning (supported operators)" lines: (op, layer) → reason."""
    reasons: dict[tuple[str, str], str] = {}
    lines = text.splitlines()
    for k, line in enumerate(lines):
        match = _WARNING.match(line.strip())
        if match is None:
            continue
        block = []
        for following in lines[k + 1 :]:
            if not following.strip() or _WARNING.match(following.strip()):
                break
            # Tensor names in parentheses can be hundreds of characters long.
            block.append(_TENSOR_NAME.sub("", following.strip().removeprefix("Reason:").strip()))
        reasons.setdefault((match["op"], match["name"]), "; ".join(filter(None, block)))
    return reasons


def error_text(text: str) -> str:
    """The lines of Vela's output that say what went wrong, without its traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(\w+Error|Error|ERROR)\b.*:", line)]
    return "\n".join((telling or lines)[-_SHOWN_ERROR:])
