"""A compiled model on this machine: the same C as for the device, in a shared library.

Thousands of inferences, to measure accuracy, take seconds here and hours in an emulator.
"""

from __future__ import annotations

import ctypes
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import TargetError
from firmware_glue.compiler.api import ARENA_ALIGN, CompiledModel
from firmware_glue.device.toolchain import app_file, build_shared

_INCLUDE = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)
_SUFFIX: Mapping[str, str] = {"win32": ".dll", "darwin": ".dylib"}
_POINTERS = 3  # arena, hook, hook_context


class HostModel:
    """One model and its memory. One thread; not to be shared.

    Args:
        compiled: one memory region, weights in the C code.

    Raises:
        MissingExtraError, ToolError: there is no C compiler, or it failed.
        TargetError: the library cannot be loaded, or the model has its weights in a blob.
    """

    def __init__(self, compiled: CompiledModel) -> None:
        if compiled.blob or len(compiled.plan.region_names) != 1:
            raise TargetError(
                f"'{compiled.name}' was compiled for several memories",
                hint="compile it with its weights in the C code and one memory region",
            )
        self._model = compiled
        self._library = _load(_one_file(compiled), compiled.name)
        self._arena = _aligned(compiled.arena_bytes)
        words = _POINTERS + -(-compiled.program.variable_bytes // 8)
        self._state = (ctypes.c_uint64 * words)()
        arena = ctypes.c_void_p(self._arena.ctypes.data)
        if self._call("init", ctypes.byref(self._state), arena) != 0:
            raise TargetError("the model's own set-up failed", hint="please report this")

    def run(self, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """One inference: the inputs' bytes in the model's order → the outputs' bytes.

        Raises:
            TargetError: inputs of the wrong number or size.
        """
        given, expected = [len(data) for data in inputs], [io.nbytes for io in self._model.inputs]
        if given != expected:
            raise TargetError(
                f"inputs of {given} bytes were given; the model takes {expected}",
                hint="one array per input, in the model's order and dtypes",
            )
        for io, data in zip(self._model.inputs, inputs, strict=True):
            self._arena[io.offset : io.offset + io.nbytes] = np.frombuffer(data, np.uint8)
        self._call("invoke", ctypes.byref(self._state))
        return tuple(
            self._arena[io.offset : io.offset + io.nbytes].tobytes() for io in self._model.outputs
        )

    def reset(self) -> None:
        """Forgets what earlier inferences left behind."""
        self._call("reset", ctypes.byref(self._state))

    def _call(self, function: str, *arguments: Any) -> int:
        return int(getattr(self._library, f"{self._model.name}_{function}")(*arguments))


def _one_file(compiled: CompiledModel) -> str:
    """All files of a model as one, each include replaced by its text."""

    def inline(name: str) -> str:
        # Every time: bodies of kernels are included once per dtype, and other headers are guarded.
        return _INCLUDE.sub(lambda found: inline(found.group(1)), compiled.files[name])

    name = compiled.name
    return inline(f"{name}.c") + inline(f"{name}_weights.c") + app_file("memory.c")


def _load(source: str, name: str) -> ctypes.CDLL:
    file = name + _SUFFIX.get(sys.platform, ".so")
    image = build_shared(source, file)
    # A loaded library cannot be removed on Windows: it stays in the temporary folder there.
    with tempfile.TemporaryDirectory(prefix="edgecnn-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / file
        path.write_bytes(image)
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            raise TargetError(
                f"the compiled model cannot be loaded: {error}",
                hint="libraries must be allowed to run from the temporary folder (TMPDIR)",
            ) from error


def _aligned(size: int) -> NDArray[np.uint8]:
    memory = np.zeros(size + ARENA_ALIGN, np.uint8)
    start = -memory.ctypes.data % ARENA_ALIGN
    return memory[start : start + size]
