"""One case through the real code: what may happen, and everything else.

A file is compiled, or refused by one clear error. Another exception, a warning of Python or numpy,
an error that calls itself a bug, or a command line that prints anything else is a failure.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

import targets.mcu.target
from edgecnn.cli import main
from edgecnn.core.errors import EdgecnnError, MissingExtraError
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import OPTIMIZE, CompiledModel, check_ops, compile_model
from tests.firmware_glue.compiler.fast.any_offer import SETS, take_any

CLI_EVERY = 8
MAX_LINE = 2000
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+\.[ch]")


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        kind: ``compiled``, ``refused`` (by the reader), ``unsupported`` (by the compiler) or
            ``failed``.
        detail: the error's message, or what is wrong.
        place: where it failed: the same for all cases with one cause.
    """

    kind: str
    detail: str = ""
    place: str = ""


class _WrongError(Exception):
    """An error that is not clear, or output that should not be there."""


def judge(data: bytes, number: int, renew: Callable[[], None] = lambda: None) -> Outcome:
    """Compiles ``data`` and, for a share of the numbers, calls the command line too. Never raises.

    KeyboardInterrupt passes.

    Args:
        data: the file.
        number: of the case.
        renew: called before each thing that a user would wait for on its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            outcome = _compiled(data, number, renew)
            if number % CLI_EVERY == 0:
                _command_line(data, outcome, renew)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            return Outcome("failed", _what(error), _place(error))
    return outcome


def _compiled(data: bytes, number: int, renew: Callable[[], None]) -> Outcome:
    try:
        model = read_model(data)
    except EdgecnnError as error:
        return _refused("refused", error)
    try:
        embedded = read_model(embed(data, {"note": b"hello"}))
        if embedded.metadata["note"] != b"hello":
            raise _WrongError("embedding changed the model")
    except EdgecnnError as error:
        _refused("refused", error)
    renew()
    problems = check_ops(model)
    for problem in problems:
        _check_text(str(problem))
    renew()
    try:
        compiled = compile_model(model, name="mutant")
    except EdgecnnError as error:
        return _refused("unsupported", error)
    if problems:
        raise _WrongError("compiles, though check_ops finds problems")
    _check_files(compiled)
    _other_kernels(model, number, renew)
    return Outcome("compiled")


def _other_kernels(model: TfModel, number: int, renew: Callable[[], None]) -> None:
    """What the plain kernels can do is compiled with every set, at one level each.

    For every other number, with all kernels that are offered, even where they do not pay.
    """
    with pytest.MonkeyPatch.context() as patch:
        if number % 2:
            take_any(patch)
        for k, kernels in enumerate(SETS):
            optimize = OPTIMIZE[(number + k) % len(OPTIMIZE)]
            renew()
            try:
                compiled = compile_model(model, name="mutant", kernels=kernels, optimize=optimize)
            except EdgecnnError as error:
                raise _WrongError(f"refused with {kernels}: {error.message}") from error
            _check_files(compiled)


def _check_files(compiled: CompiledModel) -> None:
    for name, text in compiled.files.items():
        ours = name.startswith("edgecnn_")
        if not _PLAIN_NAME.fullmatch(name) or not (ours or text.isascii()) or "\0" in text:
            raise _WrongError(f"the file name or text of {name!r} is not plain")


def _refused(kind: str, error: EdgecnnError) -> Outcome:
    for text in (error.message, error.hint):
        _check_text(text)
    if "bug" in error.hint or error.exit_code not in (1, 2):
        raise _WrongError(f"calls itself a bug: {error.message}") from error
    return Outcome(kind, error.message)


def _check_text(text: str) -> None:
    if not text.strip() or "\n" in text or len(text) > MAX_LINE:
        raise _WrongError(f"not one line of at most {MAX_LINE} characters: {text[:200]!r}")


def _command_line(data: bytes, expected: Outcome, renew: Callable[[], None]) -> None:
    """``check`` and ``compile`` in this process: one error line, one hint, nothing half-written."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-fuzz-") as scratch:
        file, out = Path(scratch) / "mutant.tflite", Path(scratch) / "out"
        file.write_bytes(data)
        for target in ("cortex-m4", "coral-usb"):
            renew()
            _call(["check", str(file), "-t", target], None)
        renew()
        _call(["compile", str(file), "-t", "cortex-m4", "-o", str(out)], expected)
        left = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
        whole = {"mutant.c", "mutant.h"}
        if left and not whole <= set(left) or any(name.endswith(".new") for name in left):
            raise _WrongError(f"half-written output: {left}")


def _call(arguments: list[str], expected: Outcome | None) -> None:
    out, err = io.StringIO(), io.StringIO()
    with _without_c_compiler(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    text = err.getvalue()
    if code == 0 and not text:
        if expected is not None and expected.kind != "compiled":
            raise _WrongError(f"the command line compiles what is refused: {expected.detail}")
        return
    lines = text.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    details = [line for line in lines if line.startswith("  ")]
    bug = "unexpected " in text or "Traceback" in text
    if code not in (1, 2) or (len(errors), len(hints)) != (1, 1) or bug:
        raise _WrongError(f"{arguments[0]}: exit code {code}, stderr {text[:600]!r}")
    if len(details) + 2 != len(lines):
        raise _WrongError(f"{arguments[0]}: a detail is longer than a line: {text[:600]!r}")
    if expected is not None and expected.kind == "compiled" and "does not fit" not in text:
        raise _WrongError(f"the command line refuses what compiles: {text[:600]!r}")


@contextlib.contextmanager
def _without_c_compiler() -> Iterator[None]:
    """As where the [mcu] extra is missing: C files only."""

    def missing(*_: object) -> None:
        raise MissingExtraError("an ELF image", "ziglang", "mcu")

    with mock.patch.object(targets.mcu.target, "find_toolchain", missing):
        yield


def _what(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text[:MAX_LINE]


def _place(error: BaseException) -> str:
    """Type and innermost frame of our own code."""
    root = str(Path(__file__).parents[2])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(root) and "site-packages" not in frame.filename
    ]
    inner = frames[-1] if frames else None
    where = f"{Path(inner.filename).name}:{inner.name}:{inner.lineno}" if inner else "elsewhere"
    cause = f" < {_place(error.__cause__)}" if error.__cause__ is not None else ""
    return f"{type(error).__name__} at {where}{cause}"
