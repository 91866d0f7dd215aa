"""C → ELF with the Clang that the ``ziglang`` wheel brings: the same compiler on every host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError
from firmware_glue.device.board import Board

TIMEOUT_S = 600.0
COMMON_FLAGS = (
    "-std=c99",
    "-O2",
    "-ffreestanding",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-sanitize=all",
)
_LINK_FLAGS = ("-nostdlib", "-lcompiler_rt", "-Wl,--gc-sections", "-Wl,-e,edgecnn_reset")
# A folder of its own: a model may be called "startup" or "memory" too.
APP_FOLDER = "edgecnn_app"
_START_UP = ("startup.c", "memory.c")
_SHARED_FLAGS = ("-shared", "-fPIC", "-O2", "-nostdlib", "-fno-sanitize=all")
_LINKER_SCRIPT = "image.ld"
_HINT = "if the C code was not changed by hand, please report it with the lines above"


@dataclass(frozen=True)
class Toolchain:
    """A C compiler.

    Attributes:
        command: the program and its first arguments.
        description: name and version, for the conditions of a benchmark.
    """

    command: tuple[str, ...]
    description: str

    def flags(self, board: Board) -> tuple[str, ...]:
        """The flags that C for ``board`` is compiled with."""
        spec = board.compiler
        return ("-target", spec.target, f"-mcpu={spec.mcpu}", *COMMON_FLAGS, *spec.flags)

    def build(
        self,
        board: Board,
        sources: Mapping[str, str | bytes],
        *,
        flags: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """Compiles and links ``sources`` (file name → C text) with the start-up code.

        Args:
            board: gives the core, and the memory that the image is laid out for.
            sources: ``.c`` files are compiled, the others are there to be included; names may
                have folders.
            flags: further compiler flags.
            timeout_s: seconds until the compiler is stopped.

        Returns:
            The ELF image; the same input gives the same bytes.

        Raises:
            ToolError: the compiler failed or took too long.
            TargetError: a file name leaves the build folder, or the compiler cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="edgecnn-build-") as folder:
            root = Path(folder)
            units = _place(root, sources)
            _place(root, {_LINKER_SCRIPT: linker_script(board)})
            # Names relative to the build folder, so that its own name leaves no trace in the image.
            command = [
                *self.command, "cc", *self.flags(board), *flags, "-I.", *units,
                *_LINK_FLAGS, "-T", _LINKER_SCRIPT, "-o", "image.elf",
            ]  # fmt: skip
            _run(command, root, timeout_s)
            return (root / "image.elf").read_bytes()

    def build_shared(self, source: str, name: str, *, timeout_s: float = TIMEOUT_S) -> bytes:
        """Compiles C (without a libc) to a shared library of this machine, called ``name``.

        Raises:
            ToolError: the compiler failed or took too long.
            TargetError: the compiler cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="edgecnn-build-") as folder:
            root = Path(folder)
            _place(root, {"library.c": source})
            command = [*self.command, "cc", *_SHARED_FLAGS, "library.c", "-o", name]
            _run(command, root, timeout_s)
            return (root / name).read_bytes()


def find_toolchain() -> Toolchain:
    """The compiler of the ``ziglang`` wheel.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("ziglang") is None:
        raise MissingExtraError("compiling for a microcontroller", "ziglang", "mcu")
    try:
        number = version("ziglang")
    except PackageNotFoundError:
        number = "unknown version"
    return Toolchain((sys.executable, "-m", "ziglang"), f"zig cc {number} (Clang)")


def start_up_sources() -> dict[str, str]:
    """The C files of every image by path: vector table, start-up, and memory functions."""
    return {f"{APP_FOLDER}/{name}": app_file(name) for name in _START_UP}


def app_file(name: str) -> str:
    """The text of one file of ``device/app``."""
    return (files(__package__) / "app" / name).read_text(encoding="utf-8")


def linker_script(board: Board) -> str:
    """The linker script for ``board``'s memory."""
    memory = board.memory
    return Template(app_file(_LINKER_SCRIPT)).substitute(
        flash_origin=hex(memory.flash_origin),
        flash_bytes=hex(memory.flash_bytes),
        ram_origin=hex(memory.ram_origin),
        ram_bytes=hex(memory.ram_bytes),
        stack_bytes=hex(memory.stack_bytes),
    )


def _place(root: Path, sources: Mapping[str, str | bytes]) -> list[str]:
    """Writes the sources; returns the names of those to compile, in order."""
    for name, content in sources.items():
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise TargetError(
                f"the source name '{name}' leaves the build folder", hint="use a relative name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return sorted(name for name in sources if name.endswith(".c"))


def _environment(scratch: Path) -> dict[str, str]:
    """A cache that can be written to, even where the home folder cannot.

    The global cache keeps the compiler's own run-time library (seconds to build, once per core);
    what one build leaves goes to the scratch folder, so that nothing piles up.
    """
    environment = dict(os.environ)
    environment["ZIG_LOCAL_CACHE_DIR"] = str(scratch / ".zig-local")
    if "ZIG_GLOBAL_CACHE_DIR" not in environment:
        base = environment.get("XDG_CACHE_HOME") or environment.get("LOCALAPPDATA")
        try:
            cache = (Path(base) if base else Path.home() / ".cache") / "edgecnn" / "zig"
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=cache):
                pass
        except (OSError, RuntimeError):  # RuntimeError: there is no home folder
            cache = scratch / ".zig-global"
        environment["ZIG_GLOBAL_CACHE_DIR"] = str(cache)
    return environment


def _run(command: Sequence[str], folder: Path, timeout_s: float) -> None:
    # Output goes to a file: a pipe would stay open, and be waited for, while a grandchild lives.
    with (folder / ".log").open("w+b") as log:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise TargetError(
                f"the compiler '{command[0]}' cannot be started: {error}",
                hint="pip install --force-reinstall ziglang",
            ) from error
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.returncode is None:
                _stop(process)
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
    if code != 0:
        raise ToolError("zig cc", code, _errors_first(text), hint=_HINT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)  # the compiler and what it started
    else:
        process.kill()
    process.wait()


def _errors_first(text: str) -> str:
    """The lines with errors where there are any (an error shows ten lines), else the whole log."""
    errors = [line for line in text.splitlines() if "error" in line]
    return "\n".join(errors[:10]) or text
