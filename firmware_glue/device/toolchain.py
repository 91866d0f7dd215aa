"""C → ELF: with the Clang that the ``ziglang`` wheel brings (the same on every host), or with GCC.

One dataclass stands for both; :func:`find_toolchain` makes it by name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError, UnknownNameError
from firmware_glue.device.board import Board
from firmware_glue.device.process import run_to_end

TOOLCHAINS = ("auto", "zig", "gcc")
TIMEOUT_S = 600.0
COMMON_FLAGS = (
    "-std=c99",
    "-O2",
    "-ffreestanding",
    "-ffp-contract=off",  # a fused multiply-add rounds otherwise than LiteRT's kernels
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
# zig cc leaves out all symbols under -Os, unless debug information is asked for.
SIZE_FLAGS = ("-Os", "-g")
_LINK_FLAGS = ("-nostdlib", "-Wl,--gc-sections", "-Wl,-e,edgecnn_reset", "-Wl,--build-id=none")
_GCC: Mapping[str, tuple[str, ...]] = {
    "thumb": ("arm-none-eabi-gcc",),
    "riscv": ("riscv64-unknown-elf-gcc", "riscv-none-elf-gcc", "riscv32-unknown-elf-gcc"),
}
_GCC_PACKAGES = {"thumb": "gcc-arm-none-eabi", "riscv": "gcc-riscv64-unknown-elf"}
# A folder of its own: a model may be called "startup" or "memory" too.
APP_FOLDER = "edgecnn_app"
_START_UP = ("startup.c", "memory.c")
_SHARED_FLAGS = ("-shared", "-fPIC", "-O2", "-nostdlib")
_LINKER_SCRIPT = "image.ld"
SMALL_OBJECT = "small.o"
"""What the map calls the units that are compiled for size."""
_MAP = "image.map"
# zig cc refuses -Map, and prints the map instead.
_MAP_FLAGS = {True: f"-Map={_MAP}", False: "--print-map"}
_OBJECT_FOLDER = re.compile(r"[^\s(:]*[\\/](?=[^\s\\/]+\.(?:o|a|obj|lib)\b)")
_UNLIMITED = 1 << 28
_HINT = "if the C code was not changed by hand, please report it with the lines above"


@dataclass(frozen=True)
class LinkedImage:
    """What the linker made.

    Attributes:
        image: the ELF file.
        map_text: the linker's own map of it.
    """

    image: bytes = field(repr=False)
    map_text: str = field(repr=False)


@dataclass(frozen=True)
class Toolchain:
    """A C compiler.

    Attributes:
        command: the program and its first arguments.
        description: name and version, for the conditions of a benchmark.
        gcc: it takes GCC's names of cores, and not LLVM's.
    """

    command: tuple[str, ...]
    description: str
    gcc: bool = False

    @property
    def name(self) -> str:
        """The name for messages."""
        return Path(self.command[0]).name if self.gcc else "zig cc"

    def flags(self, board: Board) -> tuple[str, ...]:
        """The flags that C for ``board`` is compiled with."""
        spec = board.compiler
        if self.gcc:
            return (*spec.gcc, *COMMON_FLAGS, *spec.flags)
        core = ("-target", spec.target, f"-mcpu={spec.mcpu}")
        return (*core, *COMMON_FLAGS, "-fno-sanitize=all", *spec.flags)

    def build(
        self,
        board: Board,
        sources: Mapping[str, str | bytes],
        *,
        flags: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """The ELF image of :meth:`link`."""
        return self.link(board, sources, flags=flags, timeout_s=timeout_s).image

    def link(
        self,
        board: Board,
        sources: Mapping[str, str | bytes],
        *,
        flags: Sequence[str] = (),
        small: str = "",
        unlimited: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> LinkedImage:
        """Compiles and links ``sources`` (file name → C text) with the start-up code.

        Args:
            board: gives the core, and the memory that the image is laid out for.
            sources: ``.c`` files are compiled, the others are there to be included; names may
                have folders.
            flags: further compiler flags.
            small: the folder whose units are compiled for size and not for speed; empty: none.
            unlimited: with the board's memories where they are, but as large as the program asks
                for: to count what it takes.
            timeout_s: seconds until the compiler is stopped.

        Returns:
            The ELF image and its map; the same input gives the same bytes.

        Raises:
            ToolError: the compiler failed or took too long.
            TargetError: a file name leaves the build folder, or the compiler cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="edgecnn-build-") as folder:
            root = Path(folder)
            units = _place(root, sources)
            _place(root, {_LINKER_SCRIPT: linker_script(board, unlimited=unlimited)})
            # Names relative to the build folder, so that its own name leaves no trace in the image.
            compiling = [
                *self.command, *self.flags(board), *flags, f"-ffile-prefix-map={root}=.", "-I.",
            ]  # fmt: skip
            apart = [unit for unit in units if small and unit.startswith(f"{small}/")]
            if apart:
                together = ("-nostdlib", "-r", "-o", SMALL_OBJECT)
                _run(self.name, [*compiling, *SIZE_FLAGS, *apart, *together], root, timeout_s)
                units = [*(unit for unit in units if unit not in apart), SMALL_OBJECT]
            command = [
                *compiling, *units, *_LINK_FLAGS, f"-Wl,{_MAP_FLAGS[self.gcc]}",
                "-lgcc" if self.gcc else "-lcompiler_rt", "-T", _LINKER_SCRIPT, "-o", "image.elf",
            ]  # fmt: skip
            printed = _run(self.name, command, root, timeout_s)
            map_text = (root / _MAP).read_text("utf-8", "replace") if self.gcc else printed
            # Objects lie in temporary and cache folders, whose names are not the program's.
            return LinkedImage(
                (root / "image.elf").read_bytes(), _OBJECT_FOLDER.sub("", map_text)
            )  # fmt: skip


def find_toolchain(board: Board | None = None, name: str = "auto") -> Toolchain:
    """The compiler of that name: ``zig``, ``gcc``, or ``auto``: zig where installed, else GCC.

    Args:
        board: says which GCC is meant; None: the one for Arm.
        name: one of :data:`TOOLCHAINS`.

    Raises:
        MissingExtraError: the ``ziglang`` wheel is not installed (nor, for ``auto``, a GCC).
        TargetError: ``gcc`` was asked for, and none for the board's core is installed.
        UnknownNameError: no such name.
    """
    if name not in TOOLCHAINS:
        raise UnknownNameError("toolchain", name, TOOLCHAINS)
    isa = board.isa if board is not None else "thumb"
    zig = find_spec("ziglang") is not None and name != "gcc"
    gcc = None if zig or name == "zig" else _find_gcc(isa, board)
    if zig:
        return Toolchain((sys.executable, "-m", "ziglang", "cc"), f"zig cc {_zig()} (Clang)")
    if gcc is not None:
        return Toolchain((gcc,), f"{Path(gcc).name} {_gcc_version(gcc)}", gcc=True)
    if name == "gcc":
        raise TargetError(
            f"compiling with GCC needs '{_GCC[isa][0]}', which is not installed",
            hint=f"install it (Debian, Ubuntu: apt install {_GCC_PACKAGES[isa]})"
            " or choose another --toolchain",
        )
    raise MissingExtraError("compiling for a microcontroller", "ziglang", "mcu")


def _zig() -> str:
    try:
        return version("ziglang")
    except PackageNotFoundError:
        return "unknown version"


def _find_gcc(isa: str, board: Board | None) -> str | None:
    """The first GCC of the core's kind on PATH; None where the board has no flags for it."""
    if board is not None and not board.compiler.gcc:
        return None
    return next((found for name in _GCC[isa] if (found := shutil.which(name))), None)


@cache
def _gcc_version(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "-dumpfullversion"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown version"
    return done.stdout.strip()[:40] or "unknown version"


def build_shared(
    source: str, name: str, *, flags: Sequence[str] = (), timeout_s: float = TIMEOUT_S
) -> bytes:
    """Compiles C to a shared library of this machine, called ``name``; no libc is linked.

    Raises:
        ToolError: the compiler failed or took too long.
        TargetError: the compiler cannot be started.
        MissingExtraError: neither the ``ziglang`` wheel nor a C compiler is installed.
    """
    if find_spec("ziglang") is not None:
        command = [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    else:
        found = next((path for cc in ("cc", "gcc", "clang") if (path := shutil.which(cc))), None)
        if found is None:
            raise MissingExtraError("compiling for this machine", "ziglang", "mcu")
        command = [found]
    with tempfile.TemporaryDirectory(prefix="edgecnn-build-") as folder:
        root = Path(folder)
        _place(root, {"library.c": source})
        command += [*_SHARED_FLAGS, *flags, "library.c", "-o", name]
        _run("the host's C compiler", command, root, timeout_s)
        return (root / name).read_bytes()


def start_up_sources(board: Board) -> dict[str, str]:
    """The C files of every image by path: the core's entry, start-up, and memory functions."""
    names = (f"entry_{board.isa}.c", *_START_UP)
    return {f"{APP_FOLDER}/{name}": app_file(name) for name in names}


def app_file(name: str) -> str:
    """The text of one file of ``device/app``."""
    return (files(__package__) / "app" / name).read_text(encoding="utf-8")


def linker_script(board: Board, *, unlimited: bool = False) -> str:
    """The linker script for ``board``'s memory, or for memories of its kind without an end."""
    memory = board.memory
    return Template(app_file(_LINKER_SCRIPT)).substitute(
        flash_origin=hex(memory.flash_origin),
        flash_bytes=hex(_UNLIMITED if unlimited else memory.flash_bytes),
        ram_origin=hex(memory.ram_origin),
        ram_bytes=hex(_UNLIMITED if unlimited else memory.ram_bytes),
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


def _run(tool: str, command: Sequence[str], folder: Path, timeout_s: float) -> str:
    """Runs a compiler; what it printed."""
    try:
        run = run_to_end(command, folder, timeout_s, _environment(folder))
    except OSError as error:
        raise TargetError(
            f"the compiler '{command[0]}' cannot be started: {error}",
            hint="install the compiler again (pip install --force-reinstall ziglang)",
        ) from error
    if run.code != 0:
        raise ToolError(tool, run.code, _errors_first(run.text), hint=_HINT)
    return run.text


def _errors_first(text: str) -> str:
    """The lines with errors where there are any (an error shows ten lines), else the whole log."""
    errors = [line for line in text.splitlines() if "error" in line]
    return "\n".join(errors[:10]) or text
